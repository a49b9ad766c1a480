"""Completion scripts: what bash, zsh, and fish load, to ask `queuectl __complete` at each press of Tab.

The scripts know no command. `:files` asks for the shell's own completion of paths. `@CALL@` stands for the words that
start this copy of queuectl, for shells in which `queuectl` is an alias.
"""

from __future__ import annotations

import shlex

_BASH = r"""# bash completion of queuectl
_queuectl() {
    local word rest=${COMP_LINE:0:COMP_POINT} words=() call breaks cut IFS=$'\n'
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
    call=("${words[0]/#\~/$HOME}")
    type -P -- "${call[0]}" >/dev/null || call=(@CALL@)
    while IFS=$'\t' read -r word _; do
        if [[ $word == :files ]]; then
            compopt -o default 2>/dev/null
            COMPREPLY=()
            return
        fi
        [[ $word == *= ]] && compopt -o nospace 2>/dev/null
        printf -v word %q "${word#"$cut"}"
        COMPREPLY+=("$word")
    done < <("${call[@]}" __complete -- "${words[@]:1}" 2>/dev/null)
}
complete -F _queuectl queuectl queuectl.py
"""

_ZSH = r"""#compdef queuectl queuectl.py
# zsh completion of queuectl
_queuectl() {
    local line
    local -a call found texts
    call=(${~words[1]})
    (( $+commands[$call[1]] )) || [[ -x $call[1] ]] || call=(@CALL@)
    for line in ${(f)"$($call __complete -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)"}; do
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

_FISH = r"""# fish completion of queuectl
function __queuectl_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l call (string replace -r '^~' $HOME -- $words[1])
    command -q $call; or set call @CALL@
    set -l found (command $call __complete -- $words[2..-1] "$current" 2>/dev/null)
    if string match -q ':files*' -- $found[1]
        __fish_complete_path (string replace -r '^--[^=]*=' '' -- "$current")
    else
        printf '%s\n' $found
    end
end
complete -c queuectl -f -a '(__queuectl_complete)'
complete -c queuectl.py -f -a '(__queuectl_complete)'
"""

_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
SHELLS = tuple(_SCRIPTS)


def script(shell: str, call: list[str]) -> str:
    """Return the script for a shell. `call` has the words that start this copy of queuectl."""
    return _SCRIPTS[shell].replace("@CALL@", shlex.join(call))
