#compdef erctl
# zsh completion of erctl: source <(erctl completion zsh)
_erctl() {
  local -a commands
  commands=(
    'inspect:look at a router'
    'trace:follow a connection through a router'
    'list:list every egress router attached on this node'
    'watch:watch what passes through a router'
    'routes:list what Routes and Gateways ask of the ingress agent on this node'
    'validate:check EgressRouters, NetworkAttachmentDefinitions, network configurations and lists of them, and the Routes and Gateways of the ingress agent'
    'render:print the NetworkAttachmentDefinition of an EgressRouter, and the rules that the plugin would install'
    'schema:print the JSON Schema of what a command prints with --output json'
    'completion:print the completion of commands and options for a shell'
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
    inspect) _arguments \
      '--pod[the router of this pod]:value:_files' \
      '--attachment[the container, or the beginning of its ID; CONTAINER@INTERFACE for one of several]:value:_files' \
      '--netns[the network namespace, as a path or as "ip netns" names it]:value:_files' \
      '--pid[a process in the pod]:value:_files' \
      '--interface[only the router of this interface]:value:_files' \
      '--connect[try a TCP connection from the pod to every destination, too]' \
      '--no-probe[send nothing  do not ask on the wire for the gateway and the reserved address]' \
      '--all[show every redirect and connection]' \
      '--ingress[instead  the HAProxy of the ingress agent of this node]' \
      '--agent[where the agent answers (with --ingress)]:value:_files' \
      '--output[how to write the answer]:value:(text json)' \
      '--help[print help]' ;;
    trace) _arguments \
      '--pod[the router of this pod]:value:_files' \
      '--attachment[the container, or the beginning of its ID; CONTAINER@INTERFACE for one of several]:value:_files' \
      '--netns[the network namespace, as a path or as "ip netns" names it]:value:_files' \
      '--pid[a process in the pod]:value:_files' \
      '--interface[only the router of this interface]:value:_files' \
      '--port[the port of the router]:value:_files' \
      '--host[instead  the host of a request to the ingress agent of this node]:value:_files' \
      '--path[its path (with --host)]:value:_files' \
      '--tls[it comes over TLS (with --host)]' \
      '--agent[where the agent answers (with --host)]:value:_files' \
      '--proto[tcp, udp or sctp]:value:_files' \
      '--from[the client]:value:_files' \
      '--to[the address that the client connects to (default  the pod s own)]:value:_files' \
      '--incoming[where it comes in (default  the interface of clients)]:value:_files' \
      '--send[try it  connect, or send a datagram, from the pod to the destination]' \
      '--output[how to write the answer]:value:(text json)' \
      '--help[print help]' ;;
    list) _arguments \
      '--output[how to write the answer]:value:(text json)' \
      '--help[print help]' ;;
    watch) _arguments \
      '--pod[the router of this pod]:value:_files' \
      '--attachment[the container, or the beginning of its ID; CONTAINER@INTERFACE for one of several]:value:_files' \
      '--netns[the network namespace, as a path or as "ip netns" names it]:value:_files' \
      '--pid[a process in the pod]:value:_files' \
      '--interface[only the router of this interface]:value:_files' \
      '--interval[time between two looks]:value:_files' \
      '--count[end after so many looks]:value:_files' \
      '--output[how to write the answer]:value:(text json)' \
      '--help[print help]' ;;
    routes) _arguments \
      '--agent[where the agent answers  its --stats-address and --stats-port]:value:_files' \
      '--output[how to write the answer]:value:(text json)' \
      '--help[print help]' ;;
    validate) _arguments \
      '--output[how to write the answer]:value:(text json)' \
      '*:file:_files' \
      '--help[print help]' ;;
    render) _arguments \
      '--backend[whose rules]:value:(iptables nftables)' \
      '--only[only one of the two]:value:(nad rules)' \
      '--interface[the interface that is made]:value:_files' \
      '--pod-interface[the interface that clients come in by]:value:_files' \
      '--output[how to write the answer]:value:(text json)' \
      '*:file:_files' \
      '--help[print help]' ;;
    schema) _arguments \
      '*:command:(inspect list render routes trace validate watch)' \
      '--help[print help]' ;;
    completion) _arguments \
      '*:shell:(bash zsh fish)' \
      '--help[print help]' ;;
  esac
}
compdef _erctl erctl
