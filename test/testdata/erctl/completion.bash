# bash completion of erctl: source <(erctl completion bash)
_erctl() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    words='inspect trace list watch top logs routes addresses validate render schema completion version --help --version'
  else
    case "${COMP_WORDS[1]}" in
    inspect)
      words='--pod --attachment --netns --pid --interface --connect --no-probe --all --ingress --agent --output --help ' ;;
    trace)
      words='--pod --attachment --netns --pid --interface --port --host --path --tls --agent --proto --from --to --incoming --send --output --help ' ;;
    list)
      words='--output --help ' ;;
    watch)
      words='--pod --attachment --netns --pid --interface --interval --count --output --help ' ;;
    top)
      words='--interval --count --output --help ' ;;
    logs)
      words='--pod --attachment --interface --tail --help ' ;;
    routes)
      words='--agent --output --help ' ;;
    addresses)
      words='--agent --output --help ' ;;
    validate)
      words='--allow-names --output --help '
      [[ $word != -* ]] && compopt -o default ;;
    render)
      words='--backend --only --interface --pod-interface --allow-names --output --help '
      [[ $word != -* ]] && compopt -o default ;;
    schema)
      words='--help addresses inspect list render routes top trace validate watch' ;;
    completion)
      words='--help bash zsh fish' ;;
    version)
      words='--help ' ;;
    esac
    case "${COMP_WORDS[1]} $before" in
    'inspect --output') words='text json' ;;
    'trace --output') words='text json' ;;
    'list --output') words='text json' ;;
    'watch --output') words='text json' ;;
    'top --output') words='text json' ;;
    'routes --output') words='text json' ;;
    'addresses --output') words='text json' ;;
    'validate --output') words='text json' ;;
    'render --backend') words='iptables nftables' ;;
    'render --only') words='nad rules' ;;
    'render --output') words='text json' ;;
    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _erctl erctl
