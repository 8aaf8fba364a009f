//! The bytes that only one reference keeps: the difference between the closure with it and the
//! closure without it.

use super::StoreSum;

/// Paths by number: their sizes, and the paths that each refers to.
#[derive(Debug, Default)]
pub(super) struct StoreGraph {
    pub sizes: Vec<u64>,
    pub edges: Vec<Vec<usize>>,
}

impl StoreGraph {
    /// All paths that `from` leads to.
    pub(super) fn reachable(&self, from: &[usize]) -> Vec<bool> {
        let mut seen = vec![false; self.sizes.len()];
        let mut next = from.to_vec();
        while let Some(at) = next.pop() {
            if !std::mem::replace(&mut seen[at], true) {
                next.extend(self.edges[at].iter().filter(|&&to| !seen[to]));
            }
        }
        seen
    }

    /// The number and size of the paths that `from` leads to.
    pub(super) fn sum(&self, from: &[usize]) -> StoreSum {
        let seen = self.reachable(from);
        let mut sum = StoreSum::default();
        for (size, _) in self.sizes.iter().zip(seen).filter(|(_, seen)| *seen) {
            sum.add(*size);
        }
        sum
    }

    /// For each of `roots`, the paths that would go if it went and the others stayed.
    ///
    /// One pass for all: a path is kept alive by one root alone, or by several.
    pub(super) fn retained(&self, roots: &[usize]) -> Vec<StoreSum> {
        let mut keeper: Vec<Keeper> = vec![Keeper::Nothing; self.sizes.len()];
        for (number, &root) in roots.iter().enumerate() {
            let mut next = vec![root];
            while let Some(at) = next.pop() {
                keeper[at] = match keeper[at] {
                    Keeper::Nothing => Keeper::One(number),
                    Keeper::One(other) if other != number => Keeper::Several,
                    _ => continue,
                };
                next.extend(&self.edges[at]);
            }
        }
        let mut sums = vec![StoreSum::default(); roots.len()];
        for (size, keeper) in self.sizes.iter().zip(keeper) {
            if let Keeper::One(number) = keeper {
                sums[number].add(*size);
            }
        }
        sums
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeper {
    Nothing,
    One(usize),
    Several,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_paths_belong_to_neither_root_and_cycles_end() {
        // 0 -> 1 -> 2 -> 1, 3 -> 2, 4 -> 0, 5 alone
        let graph = StoreGraph {
            sizes: vec![1, 10, 100, 1000, 10_000, 100_000],
            edges: vec![vec![1], vec![2], vec![1], vec![2], vec![0], vec![]],
        };
        let bytes = |roots: &[usize]| -> Vec<u64> {
            let sums = graph.retained(roots);
            sums.iter().map(|sum| sum.bytes).collect()
        };
        assert_eq!(bytes(&[0]), [111]);
        assert_eq!(bytes(&[0, 3]), [1, 1000]);
        assert_eq!(bytes(&[0, 4, 5]), [0, 10_000, 100_000]);
        assert_eq!(graph.sum(&[3]).bytes, 1110);
        assert_eq!(graph.sum(&[3, 0]).paths, 4);
        let roots = [0, 1, 2, 3, 4, 5];
        for (at, sum) in graph.retained(&roots).iter().enumerate() {
            let others: Vec<usize> = roots.into_iter().filter(|&root| root != at).collect();
            let rest = graph.sum(&others).bytes;
            assert_eq!(sum.bytes, 111_111 - rest, "{at}");
        }
    }
}
