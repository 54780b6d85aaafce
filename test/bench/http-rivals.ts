/** What a user could run instead: configurations of HAProxy by hand, and as OpenShift's template writes them. */

/** A Route of the benches: its host, its backend, its servers. */
export interface BenchRoute {
  readonly host: string;
  readonly id: string;
  readonly ports: readonly number[];
}

/** Settings that all configurations share. */
export const rivalHead = `global
  maxconn 4000
  nbthread 1
  no strict-limits
  tune.bufsize 32768
  tune.maxrewrite 8192
  tune.ssl.default-dh-param 2048
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  timeout http-keep-alive 300s
  timeout http-request 10s
  option redispatch
`;

/** Everything but how a backend is found: doors, headers, cookies and checks are OpenShift's in both. */
function configuration(
  routes: readonly BenchRoute[],
  folder: string,
  ports: Ports,
  lookUp: string,
  key: string,
): string {
  const frontend = (name: string, bind: string): string => `frontend ${name}
  bind ${bind}
  http-request deny if { hdr_len(content-length) 0 }
  http-request del-header Proxy
  http-request set-header Host %[req.hdr(Host),lower]
  use_backend %[${key},${lookUp}(${folder}/hosts.map)]
  default_backend none
`;
  const backends = routes.map(
    ({ id, ports: servers }) => `backend ${id}
  balance random
  option forwardfor
  http-request add-header X-Forwarded-Host %[req.hdr(host)]
  http-request add-header X-Forwarded-Port %[dst_port]
  http-request add-header X-Forwarded-Proto http if !{ ssl_fc }
  http-request add-header X-Forwarded-Proto https if { ssl_fc }
  http-request add-header X-Forwarded-Proto-Version h2 if { ssl_fc_alpn -i h2 }
  http-request add-header Forwarded for=%[src];host=%[req.hdr(host)];proto=%[req.hdr(X-Forwarded-Proto)]
  cookie ${'c'.repeat(32)} insert indirect nocache httponly
${servers.map((port, i) => `  server pod:${i}:${id}:${port} 127.0.0.1:${port} weight 1 cookie ${i}${'a'.repeat(31)} check inter 5000ms\n`).join('')}`,
  );
  return `${rivalHead}${frontend('public', `127.0.0.1:${ports.http}`)}frontend public_ssl
  mode tcp
  bind 127.0.0.1:${ports.https}
  tcp-request inspect-delay 5s
  tcp-request content accept if { req_ssl_hello_type 1 }
  default_backend inner
backend inner
  mode tcp
  server inner unix@${folder}/inner.sock send-proxy-v2
${frontend('fe_sni', `unix@${folder}/inner.sock ssl crt ${folder}/default.pem accept-proxy`)}backend none
  http-request deny deny_status 503
${backends.join('')}`;
}

export interface Ports {
  readonly http: number;
  readonly https: number;
}

/** Files of a configuration that finds exact hosts in a map. */
export function writtenByHand(routes: readonly BenchRoute[], folder: string, ports: Ports): Record<string, string> {
  return {
    'hosts.map': routes.map(({ host, id }) => `${host} ${id}\n`).join(''),
    'haproxy.cfg': configuration(routes, folder, ports, 'map_str', 'req.hdr(host),field(1,:)'),
  };
}

/** Files of a configuration that goes through sorted regular expressions. */
export function writtenByTemplate(routes: readonly BenchRoute[], folder: string, ports: Ports): Record<string, string> {
  const lines = routes.map(({ host, id }) => `^${host.replaceAll('.', String.raw`\.`)}\\.?(:[0-9]+)?(/.*)?$ ${id}\n`);
  return {
    'hosts.map': lines.sort().reverse().join(''),
    'haproxy.cfg': configuration(routes, folder, ports, 'map_reg', 'base'),
  };
}

/** Files of a server that answers at once. */
export function origin(ports: readonly number[]): Record<string, string> {
  return {
    'haproxy.cfg': `global
  maxconn 9000
  nbthread 1
defaults
  mode http
  timeout client 60s
frontend origin
${ports.map((port) => `  bind 127.0.0.1:${port}\n`).join('')}  http-request return status 200 content-type text/plain string hello
`,
  };
}
