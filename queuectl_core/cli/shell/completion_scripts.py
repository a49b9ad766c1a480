"""Completion scripts: what bash, zsh, and fish load, to ask `queuectl __complete` at each press of Tab.

The scripts know no command. `:files` asks for the shell's own completion of paths.
"""

from __future__ import annotations

BASH = r"""# bash completion of queuectl
_queuectl() {
    local word rest=${COMP_LINE:0:COMP_POINT} words=() breaks cut IFS=$'\n'
    # bash splits words at : and =, which IDs and options have; what no space separates is one word again.
    for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        if [[ ${#words[@]} -gt 0 && $rest != [[:space:]]* ]]; then
            words[${#words[@]}-1]+=${rest:0:${#word}}
        else
            rest=${rest#"${rest%%[![:space:]]*}"}
            words+=("${rest:0:${#word}}")
        fi
        rest=${rest:${#word}}
    done
    word=${words[${#words[@]}-1]}
    breaks=${COMP_WORDBREAKS//[!:=]/}
    cut=
    [[ -n $breaks ]] && cut=${word%"${word##*[$breaks]}"}
    COMPREPLY=()
    while IFS=$'\t' read -r word _; do
        if [[ $word == :files ]]; then
            compopt -o default 2>/dev/null
            COMPREPLY=()
            return
        fi
        [[ $word == *= ]] && compopt -o nospace 2>/dev/null
        printf -v word %q "${word#"$cut"}"
        COMPREPLY+=("$word")
    done < <("${words[0]/#\~/$HOME}" __complete -- "${words[@]:1}" 2>/dev/null)
}
complete -F _queuectl queuectl queuectl.py
"""

ZSH = r"""#compdef queuectl queuectl.py
# zsh completion of queuectl
_queuectl() {
    local line
    local -a found texts
    for line in ${(f)"$(${~words[1]} __complete -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)"}; do
        if [[ $line == :files* ]]; then
            [[ $PREFIX == --*=* ]] && compset -P '*='
            _files
            return
        fi
        found+=("${line%%$'\t'*}")
        texts+=("${line/$'\t'/  }")
    done
    compadd -l -d texts -a found
}
if [[ $funcstack[1] == _queuectl ]]; then
    _queuectl "$@"
else
    compdef _queuectl queuectl queuectl.py
fi
"""

FISH = r"""# fish completion of queuectl
function __queuectl_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program (string replace -r '^~' $HOME -- $words[1])
    set -l found (command $program __complete -- $words[2..-1] "$current" 2>/dev/null)
    if string match -q ':files*' -- $found[1]
        __fish_complete_path (string replace -r '^--[^=]*=' '' -- "$current")
    else
        printf '%s\n' $found
    end
end
complete -c queuectl -f -a '(__queuectl_complete)'
complete -c queuectl.py -f -a '(__queuectl_complete)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
