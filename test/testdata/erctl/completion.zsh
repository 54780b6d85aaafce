#compdef erctl
# zsh completion of erctl: source <(erctl completion zsh)
_erctl() {
  local -a commands
  commands=(
    'inspect:show a router and its problems'
    'trace:follow a connection through a router'
    'list:list every egress router attached on this node'
    'watch:watch the traffic of a router'
    'top:show the traffic of all egress routers of this node'
    'logs:print the plugin s log of a router, with the calls that set it up and changed it'
    'routes:list the claims on the ingress agent of this node'
    'addresses:list virtual addresses with owners and holders, the nodes that may hold them, and recent moves with reasons'
    'validate:check EgressRouters, NetworkAttachmentDefinitions, CNI configurations and configuration lists, and the objects that the ingress agent serves'
    'migrate:report which existing Ingresses or Routes the ingress agent serves'
    'render:print the NetworkAttachmentDefinition of an EgressRouter and the rules that the plugin would install'
    'schema:print the JSON Schema of the output of a command'
    'completion:print a completion script for a shell'
    'version:print the version'
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
      '--attachment[container ID or its beginning; CONTAINER@INTERFACE selects one of several routers]:value:_files' \
      '--netns[path of the network namespace, or its name in "ip netns"]:value:_files' \
      '--pid[process ID in the pod]:value:_files' \
      '--interface[only the router of this interface]:value:_files' \
      '--connect[also try a TCP connection from the pod to every destination]' \
      '--no-probe[do not probe the gateway and the reserved address]' \
      '--all[show every redirect and connection]' \
      '--ingress[show the HAProxy of the ingress agent on this node instead]' \
      '--agent[URL of the agent (with --ingress)]:value:_files' \
      '--output[output format]:value:(text json)' \
      '--help[print help]' ;;
    trace) _arguments \
      '--pod[the router of this pod]:value:_files' \
      '--attachment[container ID or its beginning; CONTAINER@INTERFACE selects one of several routers]:value:_files' \
      '--netns[path of the network namespace, or its name in "ip netns"]:value:_files' \
      '--pid[process ID in the pod]:value:_files' \
      '--interface[only the router of this interface]:value:_files' \
      '--port[port of the router, or of a listener (with --host)]:value:_files' \
      '--host[trace a request for this host through the ingress agent on this node instead]:value:_files' \
      '--path[path of the request, encoded, without a query (with --host)]:value:_files' \
      '--tls[the request uses TLS (with --host)]' \
      '--method[method of the request (with --host; default  GET)]:value:_files' \
      '--header[header of the request (with --host; repeatable)]:value:_files' \
      '--query[query parameter of the request (with --host; repeatable)]:value:_files' \
      '--agent[URL of the agent (with --host)]:value:_files' \
      '--proto[tcp, udp or sctp]:value:_files' \
      '--from[address of the client]:value:_files' \
      '--to[address that the client connects to (default  the address of the pod; with --host  any of the listener)]:value:_files' \
      '--incoming[incoming interface (default  the interface that clients use)]:value:_files' \
      '--send[also connect, or send a datagram, from the pod to the destination]' \
      '--output[output format]:value:(text json)' \
      '--help[print help]' ;;
    list) _arguments \
      '--output[output format]:value:(text json)' \
      '--help[print help]' ;;
    watch) _arguments \
      '--pod[the router of this pod]:value:_files' \
      '--attachment[container ID or its beginning; CONTAINER@INTERFACE selects one of several routers]:value:_files' \
      '--netns[path of the network namespace, or its name in "ip netns"]:value:_files' \
      '--pid[process ID in the pod]:value:_files' \
      '--interface[only the router of this interface]:value:_files' \
      '--interval[interval between samples]:value:_files' \
      '--count[exit after this number of samples]:value:_files' \
      '--output[output format]:value:(text json)' \
      '--help[print help]' ;;
    top) _arguments \
      '--interval[interval between samples]:value:_files' \
      '--count[exit after this number of samples]:value:_files' \
      '--output[output format]:value:(text json)' \
      '--help[print help]' ;;
    logs) _arguments \
      '--pod[the router of this pod]:value:_files' \
      '--attachment[container ID or its beginning; CONTAINER@INTERFACE selects one of several routers]:value:_files' \
      '--interface[only the router of this interface]:value:_files' \
      '--tail[only the last lines]:value:_files' \
      '--help[print help]' ;;
    routes) _arguments \
      '--agent[URL of the agent, from its --stats-address and --stats-port]:value:_files' \
      '--output[output format]:value:(text json)' \
      '--help[print help]' ;;
    addresses) _arguments \
      '--agent[URL of the agent, from its --stats-address and --stats-port]:value:_files' \
      '--output[output format]:value:(text json)' \
      '--help[print help]' ;;
    validate) _arguments \
      '--allow-names[names inside the cluster that are allowed as destinations]:value:_files' \
      '--output[output format]:value:(text json)' \
      '*:file:_files' \
      '--help[print help]' ;;
    migrate) _arguments \
      '--class[name of the IngressClass that the agent serves]:value:_files' \
      '--output[output format]:value:(text json)' \
      '*:origin:(ingress-nginx haproxy-ingress openshift)' \
      '*:file:_files' \
      '--help[print help]' ;;
    render) _arguments \
      '--backend[format of the rules]:value:(iptables nftables)' \
      '--only[print only one of the two]:value:(nad rules)' \
      '--interface[name of the interface that the router adds]:value:_files' \
      '--pod-interface[interface that clients use]:value:_files' \
      '--allow-names[names inside the cluster that are allowed as destinations]:value:_files' \
      '--output[output format]:value:(text json)' \
      '*:file:_files' \
      '--help[print help]' ;;
    schema) _arguments \
      '*:command:(addresses inspect list migrate render routes top trace validate watch)' \
      '--help[print help]' ;;
    completion) _arguments \
      '*:shell:(bash zsh fish)' \
      '--help[print help]' ;;
    version) _arguments \
      '--help[print help]' ;;
  esac
}
compdef _erctl erctl
