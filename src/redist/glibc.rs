//! Functions of nvcc's headers that newer glibc declares too: rsqrt in 2.42, sinpi and cospi in
//! 2.41. glibc declares them as never throwing, which nvcc's host compiler rejects if CUDA's
//! earlier declaration doesn't match.

use std::fmt::Write;

/// The function without its suffix, the macro that says that it does not throw, and the glibc that
/// has it.
const FUNCTIONS: [(&str, &str, u32); 3] = [
    ("rsqrt", "CUDA_FIXUP_RSQRT_THROW", 42),
    ("sinpi", "CUDA_FIXUP_SINPI_THROW", 41),
    ("cospi", "CUDA_FIXUP_SINPI_THROW", 41),
];

/// The headers with such declarations.
pub(crate) fn is_math_header(path: &str) -> bool {
    path.ends_with("include/crt/math_functions.h")
        || path.ends_with("include/crt/math_functions.hpp")
}

/// The header with the specifier at each declaration that lacks it, under any glibc; `None` if none
/// does.
pub(crate) fn math_header(text: &str) -> Option<String> {
    let mut changed = false;
    let mut body = String::with_capacity(text.len() + 1024);
    for line in text.split_inclusive('\n') {
        match insertion(line) {
            Some((at, macro_name)) => {
                changed = true;
                let (before, after) = line.split_at(at);
                let _ = write!(body, "{before} {macro_name}{after}");
            }
            None => body.push_str(line),
        }
    }
    changed.then(|| definitions() + &body)
}

/// Position of the missing specifier in a line's declaration: after the parameters.
fn insertion(line: &str) -> Option<(usize, &'static str)> {
    if line.trim_start().starts_with(['*', '/']) {
        return None;
    }
    FUNCTIONS.iter().find_map(|(name, macro_name, _)| {
        // The C functions only: C++ has overloads for float under the name without the suffix.
        ["double", "float"].into_iter().find_map(|kind| {
            let suffix = if kind == "float" { "f" } else { "" };
            let call = format!("{name}{suffix}(");
            let at = line.find(&call)?;
            let result = line[..at].trim_end();
            let is_result = result
                .strip_suffix(kind)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with([' ', '(', '\t']));
            if !is_result || result.len() == at {
                return None;
            }
            let parameters = &line[at + call.len()..];
            let end = parameters.find(')')?;
            let words: Vec<&str> = parameters[..end].split_whitespace().collect();
            let of_kind = matches!(words.as_slice(), [k, _] if *k == kind)
                || matches!(words.as_slice(), ["const", k, _] if *k == kind);
            let behind = parameters[end + 1..].trim_start();
            let unsaid = behind.starts_with([';', ')']);
            (of_kind && unsaid).then_some((at + call.len() + end + 1, *macro_name))
        })
    })
}

fn definitions() -> String {
    let mut out = String::from(
        "#if defined(__linux__) && defined(__GNUC__) && !defined(__CUDACC_RTC__)\n\
         #include <features.h>\n#endif\n",
    );
    for (_, macro_name, minor) in FUNCTIONS.iter().take(2) {
        let _ = write!(
            out,
            "#ifndef {macro_name}\n\
             #if defined(__cplusplus) && defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= {minor})\n\
             #define {macro_name} __THROW\n#else\n#define {macro_name}\n#endif\n#endif\n"
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> String {
        let new = math_header(text);
        new.map_or_else(
            || "as it was".to_owned(),
            |new| new.lines().last().unwrap_or_default().to_owned(),
        )
    }

    #[test]
    fn declarations_that_lack_the_specifier_get_it() {
        assert_eq!(
            line("extern __device_builtin__ double                 rsqrt(double x);"),
            "extern __device_builtin__ double                 rsqrt(double x) CUDA_FIXUP_RSQRT_THROW;"
        );
        assert_eq!(
            line("extern float rsqrtf(float x);"),
            "extern float rsqrtf(float x) CUDA_FIXUP_RSQRT_THROW;"
        );
        assert_eq!(
            line("__func__(double sinpi(double a));"),
            "__func__(double sinpi(double a) CUDA_FIXUP_SINPI_THROW);"
        );
        assert_eq!(
            line("__func__(double rsqrt(const double a))"),
            "__func__(double rsqrt(const double a) CUDA_FIXUP_RSQRT_THROW)"
        );
    }

    #[test]
    fn everything_else_stays() {
        for text in [
            "extern double sinpi(double x) __NV_IEC_60559_FUNCS_EXCEPTION_SPECIFIER;",
            "__MATH_FUNCTIONS_DECL__ float rsqrt(const float a);",
            "  return rsqrtf(a);",
            " * double rsqrt(double x);",
            "extern void sincospi(double x, double *sptr, double *cptr);",
            "extern double __rsqrt(double x);",
            "",
        ] {
            assert_eq!(line(text), "as it was", "{text}");
        }
        let once = math_header("extern double rsqrt(double x);\n").unwrap();
        assert_eq!(math_header(&once), None);
    }
}
