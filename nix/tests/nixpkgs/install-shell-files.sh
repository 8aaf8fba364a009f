# shellcheck shell=bash
# The two functions of nixpkgs' installShellFiles, for files.
installManPage() {
    local page
    for page; do
        install -Dm644 "$page" "$out/share/man/man${page##*.}/${page##*/}"
    done
}

installShellCompletion() {
    local command='' shell=''
    while (( $# )); do
        case $1 in
            --cmd) command=$2; shift 2 ;;
            --bash) install -Dm644 "$2" "$out/share/bash-completion/completions/$command.bash"; shift 2 ;;
            --zsh) install -Dm644 "$2" "$out/share/zsh/site-functions/_$command"; shift 2 ;;
            --fish) install -Dm644 "$2" "$out/share/fish/vendor_completions.d/$command.fish"; shift 2 ;;
            *) echo "installShellCompletion: $1" >&2; return 1 ;;
        esac
    done
}
