//! Finds the file of a process that combines incompatible libraries: the finding belongs to that
//! file, not to those that load it.

use crate::cuda::Soname;
use crate::cuda::libraries::{CudaLibrary, Majors, majors_of};
use crate::loader::{Object, Resolution};

/// Libraries of one process that are compared: a bit of a mask each.
const MAX_MARKED: usize = 64;

/// For each object, the `marked` objects that are loaded with it, a bit for each.
pub(super) fn reached(objects: &[Object], marked: &[usize]) -> Vec<u64> {
    let mut users = vec![Vec::new(); objects.len()];
    for (by, object) in objects.iter().enumerate() {
        for need in object.needs.iter().filter_map(|need| need.object) {
            users[need].push(by);
        }
    }
    let mut masks = vec![0_u64; objects.len()];
    for (bit, &marked) in marked.iter().take(MAX_MARKED).enumerate() {
        let mut open = vec![marked];
        while let Some(object) = open.pop() {
            if masks[object] & 1 << bit == 0 {
                masks[object] |= 1 << bit;
                open.extend(&users[object]);
            }
        }
    }
    masks
}

/// A CUDA library that is loaded with a file, or the file itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadedCudaLibrary<'a> {
    /// The path that the loader opens.
    pub path: &'a [u8],
    /// `libcublas`
    pub stem: &'static str,
    /// 12 of `libcublas.so.12`.
    pub number: Option<u32>,
    /// The CUDA versions that have it, if its SONAME determines them.
    pub majors: Option<Majors>,
    object: usize,
}

/// The CUDA libraries of one process, and for each object those loaded with it.
#[derive(Debug, Default)]
pub(crate) struct CudaLibraries<'a> {
    all: Vec<LoadedCudaLibrary<'a>>,
    below: Vec<u64>,
}

impl<'a> CudaLibraries<'a> {
    /// Those of the first object of `resolution` and of its dependencies.
    pub(crate) fn of(resolution: &'a Resolution) -> CudaLibraries<'a> {
        let objects = resolution.loaded().iter().enumerate();
        let found = objects.filter_map(|(object, found)| {
            let soname = found.library.as_deref()?.soname.as_deref()?;
            Some(LoadedCudaLibrary {
                path: &found.path,
                stem: CudaLibrary::of_soname(soname)?.stem,
                number: Soname::parse(soname)?.major(),
                majors: majors_of(soname),
                object,
            })
        });
        let all: Vec<_> = found.take(MAX_MARKED).collect();
        if all.len() < 2 {
            return CudaLibraries::default();
        }
        let marked: Vec<usize> = all.iter().map(|library| library.object).collect();
        let mut below = reached(&resolution.objects, &marked);
        below.remove(0);
        below.sort_unstable();
        below.dedup();
        CudaLibraries { all, below }
    }

    fn of_mask(&self, mask: u64) -> impl Iterator<Item = &LoadedCudaLibrary<'a>> {
        let all = self.all.iter().enumerate();
        all.filter(move |(bit, _)| mask & 1 << bit != 0)
            .map(|(_, library)| library)
    }

    /// Whether this file is the first that has `wrong` among its libraries.
    fn meet_here(&self, wrong: impl Fn(u64) -> bool) -> bool {
        wrong(u64::MAX) && !self.below.iter().any(|&mask| wrong(mask))
    }

    /// Pairs of one library of different versions that this file brings together.
    pub(crate) fn doubled(&self) -> Vec<(LoadedCudaLibrary<'a>, LoadedCudaLibrary<'a>)> {
        let mut found = Vec::new();
        for (at, first) in self.all.iter().enumerate() {
            let mut rest = self.all.iter().enumerate().skip(at + 1);
            let other =
                rest.find(|(_, other)| other.stem == first.stem && other.number != first.number);
            let Some((other_at, other)) = other else {
                continue;
            };
            let both = 1 << at | 1 << other_at;
            if self.meet_here(|mask| mask & both == both) {
                found.push((*first, *other));
            }
        }
        found
    }

    /// Two libraries that no one CUDA version has, where this file brings them together.
    pub(crate) fn mixed(&self) -> Option<(LoadedCudaLibrary<'a>, LoadedCudaLibrary<'a>)> {
        let known = |mask| {
            self.of_mask(mask)
                .filter_map(|l| Some((l, l.majors?)))
                .collect::<Vec<_>>()
        };
        let pair = |mask: u64| {
            let all = known(mask);
            let (first, rest) = all.split_first()?;
            let apart = |other: &&(_, Majors)| other.1 & first.1 == 0;
            let other = rest.iter().find(apart)?;
            Some((*first.0, *other.0))
        };
        // Three libraries may have no version in common although each two of them have one.
        let pair = |mask: u64| {
            (0..64)
                .filter(|bit| mask & 1_u64 << bit != 0)
                .find_map(|bit| pair(mask & !((1_u64 << bit) - 1)))
        };
        self.meet_here(|mask| pair(mask).is_some())
            .then(|| pair(u64::MAX))?
    }
}
