//! Only the driver link, for each file.

use super::Outcome;
use super::jobs::Jobs;
use crate::escape::shown;
use crate::fixup::{self, FixupRequest, Status};
use crate::plan::{Dependencies, Driver, Policy, Stubs};
use crate::terminal::{Label, message};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Put the driver link before the RUNPATH of each file
///
/// A second run changes nothing, and a file without RUNPATH gets no empty entry, which would mean
/// the current directory.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::ADD_DRIVER_RUNPATH)]
pub(crate) struct Args {
    /// Files, or trees with all their ELF files
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Write DT_RPATH rather than DT_RUNPATH
    #[arg(long)]
    force_rpath: bool,
    /// The driver link [default: /run/opengl-driver/lib, for i386 /run/opengl-driver-32/lib]
    #[arg(long, value_name = "DIR")]
    driver_link: Option<OsString>,
    #[command(flatten)]
    jobs: Jobs,
}

/// Adds the driver link.
pub(crate) fn run(args: Args) -> anyhow::Result<Outcome> {
    let request = FixupRequest {
        paths: args.paths,
        recurse: true,
        // Scripts give it all files of a directory.
        skip_named: true,
        refuse_unfit: true,
        policy: Policy {
            dependencies: Dependencies::Off,
            driver: Driver::All,
            driver_link: args.driver_link.map(OsString::into_vec),
            stubs: Stubs::Keep,
            force_rpath: args.force_rpath,
            ..Policy::default()
        },
        ..FixupRequest::default()
    };
    let pool = args.jobs.pool_for_paths(&request.paths)?;
    let summary = fixup::run(&pool, &request, &super::waits_for, &mut |file| match (
        &file.status,
        file.names.first(),
    ) {
        (Status::Failed(why), Some(name)) => {
            message(Label::Error, format_args!("{}: {why}", shown(name)))
        }
        _ => Ok(()),
    })?;
    for problem in &summary.problems {
        message(
            Label::Error,
            format_args!("{}: {}", shown(&problem.path), problem.what),
        )?;
    }
    Ok(super::fixup::outcome(&summary))
}
