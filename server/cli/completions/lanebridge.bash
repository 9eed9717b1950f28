# bash completion for lanebridge
_lanebridge() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "lsp run endpoint doctor log rules trace --help --version" -- "$current"))
        return
    fi
    case $previous in
        -C) COMPREPLY=($(compgen -d -- "$current")); return ;;
        --token-file|--store|--trace) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --engine) COMPREPLY=($(compgen -W "replay" -- "$current")); return ;;
    esac
    case ${COMP_WORDS[1]} in
        lsp) COMPREPLY=($(compgen -W "--stdio" -- "$current")) ;;
        log) COMPREPLY=($(compgen -W "--json --sent --limit" -- "$current")) ;;
        rules) COMPREPLY=($(compgen -W "list delete --json" -- "$current")) ;;
        doctor) COMPREPLY=($(compgen -W "--json" -- "$current")) ;;
        trace) COMPREPLY=($(compgen -W "--json --perfetto" -- "$current")) ;;
        run) COMPREPLY=($(compgen -W "-C --json --yes-to-commands" -- "$current")) ;;
        endpoint) COMPREPLY=($(compgen -W "--listen --engine --upstream-model --upstream-key-env --upstream-api --token-file --trace --vocab --without --store --age-limit --idle-limit --max-memory --max-store --max-connections --max-lanes --max-requests --vocab --check --without --prototype-append --without-lanes --without-warm-up --without-steering --without-additional-tools --without-compact --without-context-management" -- "$current")) ;;
    esac
}
complete -F _lanebridge lanebridge
