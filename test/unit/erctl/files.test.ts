import assert from 'node:assert/strict';
import { parse } from 'yaml';
import { parseEgressRouterObject } from '../../../src/egress/api/egress-router.ts';
import { parseNetConf } from '../../../src/egress/api/net-conf.ts';
import { assignMembers } from '../../../src/egress/controller/objects/members.ts';
import { namesOf } from '../../../src/egress/controller/objects/names.ts';
import { renderDocumentSchema } from '../../../src/erctl/manifests/render-document.ts';
import { validateDocumentSchema } from '../../../src/erctl/manifests/validate-document.ts';
import { assertGolden } from '../../golden.ts';
import { call } from './call.ts';

/** OpenShift's example. */
const router = `apiVersion: network.operator.openshift.io/v1
kind: EgressRouter
metadata:
  name: egress-router-redirect
  namespace: shop
spec:
  networkInterface: { macvlan: { mode: "Private", master: "eth1" } }
  addresses: [{ ip: "192.168.12.99/24", gateway: "192.168.12.1" }]
  mode: Redirect
  redirect:
    redirectRules:
      - { destinationIP: "10.0.0.99", port: 80, protocol: UDP }
      - { destinationIP: "203.0.113.26", port: 8080, targetPort: 80, protocol: TCP }
    fallbackIP: "203.0.113.30"
`;
const conf = {
  cniVersion: '1.1.0',
  name: 'n',
  type: 'egress-router',
  ip: { addresses: ['192.168.12.99/24'], gateway: '192.168.12.1' },
};
const wrong = { ...conf, ip: { ...conf.ip, gateway: '192.168.13.1', destinations: ['80 XTP 1.2.3.4'] } };
const definition = (config: string): string =>
  JSON.stringify({
    apiVersion: 'k8s.cni.cncf.io/v1',
    kind: 'NetworkAttachmentDefinition',
    metadata: { name: 'nad' },
    spec: { config },
  });
const route = (port: string): string =>
  JSON.stringify({
    apiVersion: 'route.openshift.io/v1',
    kind: 'Route',
    metadata: { name: 'r', namespace: 'shop', annotations: { 'haproxy.router.openshift.io/external-tcp-port': port } },
    spec: { to: { kind: 'Service', name: 's' } },
  });

const gateway13 = /gateway "192\.168\.13\.1": must be an address in 192\.168\.12\.0\/24/;

const shopRoute = (annotation: string, value: string, spec: object = {}): string =>
  JSON.stringify({
    apiVersion: 'route.openshift.io/v1',
    kind: 'Route',
    metadata: { name: 'r', namespace: 'shop', annotations: { [annotation]: value } },
    spec: { to: { kind: 'Service', name: 's' }, ...spec },
  });

/** A file, how validation ends, and what is said of it. */
const files: { name: string; text: string; status: 0 | 1; says: RegExp }[] = [
  {
    name: 'a misspelt field of an EgressRouter, by its line',
    text: router.replace('redirectRules:', 'redirectrules:'),
    status: 1,
    says: /^standard input:12: .*spec\.redirect\.redirectrules .*did you mean "redirectRules"\?$/m,
  },
  {
    name: 'a misspelt kind',
    text: router.replace('kind: EgressRouter', 'kind: EgresRouter'),
    status: 1,
    says: /kind "EgresRouter": is not a kind of .*did you mean "EgressRouter"\?/,
  },
  {
    name: 'a misspelt field of metadata',
    text: router.replace('namespace:', 'namepsace:'),
    status: 1,
    says: /metadata\.namepsace .*did you mean "namespace"\?/,
  },
  {
    name: 'a misspelt version of the API of Routes',
    text: shopRoute('x', 'y').replace('route.openshift.io/v1', 'route.openshift.io/1'),
    status: 1,
    says: /apiVersion .*did you mean "route\.openshift\.io\/v1"\?/,
  },
  {
    name: 'a misspelt field of a Route',
    text: shopRoute('x', 'y', { hots: 'a.example' }),
    status: 1,
    says: /spec\.hots "a\.example": is not a known field; did you mean "host"\?/,
  },
  {
    name: 'a misspelt annotation',
    text: shopRoute('haproxy.router.openshift.io/timeuot', '5s'),
    status: 1,
    says: /did you mean "haproxy\.router\.openshift\.io\/timeout"\?/,
  },
  {
    name: 'a misspelt value of an annotation',
    text: shopRoute('haproxy.router.openshift.io/balance', 'round-robin'),
    status: 1,
    says: /balance\] "round-robin": must be roundrobin/,
  },
  {
    name: 'a misspelt key of a network configuration',
    text: JSON.stringify({ ...conf, ip: { ...conf.ip, destination: ['80 TCP 1.2.3.4'] } }),
    status: 1,
    says: /ip\.destination .*did you mean "destinations"\?/,
  },
  {
    name: 'a key that belongs below another',
    text: JSON.stringify({ ...conf, master: 'eth1' }),
    status: 1,
    says: /master "eth1": is not a known field/,
  },
  {
    name: 'keys that a runtime adds to a network configuration',
    text: JSON.stringify({ ...conf, capabilities: { mac: true }, runtimeConfig: {}, prevResult: {}, dns: {} }),
    status: 0,
    says: /is valid/,
  },
  {
    name: 'a kind of another program',
    text: 'apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n',
    status: 0,
    says: /skipped: not for/,
  },
  {
    name: 'a kind of another program in an API group that we read',
    text: 'apiVersion: gateway.networking.k8s.io/v1\nkind: XMesh\nmetadata: { name: a }\n',
    status: 0,
    says: /skipped: not for/,
  },
  {
    name: 'an HTTPRoute whose rules the agent would drop, by their lines',
    text: `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: a, namespace: shop }
spec:
  rules:
    - filters: [{ type: ExtensionRef, extensionRef: { group: x.example, kind: Y, name: z } }]
    - retry: { backoff: 1s }
`,
    status: 1,
    says: /:6: HTTPRoute shop\/a: spec\.rules\[0\]\.filters\[0\]\.type "ExtensionRef": must be .*\n.*:7: .*spec\.rules\[1\]\.retry\.backoff "1s": .*remove it/,
  },
  {
    name: 'a BackendTLSPolicy that the agent would reject',
    text: `apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: { name: a, namespace: shop }
spec: { targetRefs: [{ group: "", kind: Service, name: web }], validation: { wellKnownCACertificates: System } }
`,
    status: 1,
    says: /spec\.validation\.hostname .*: must be a host name without wildcard/,
  },
  {
    name: 'a ListenerSet with listeners that the agent would reject, by their lines',
    text: `apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: { name: a, namespace: shop }
spec:
  parentRef: { name: gw }
  listeners:
    - { name: a, port: 80, protocol: FOO }
    - { name: b, port: 81, protocol: HTTP }
    - { name: c, port: 81, protocol: HTTP }
    - { name: d, port: 82, protocol: HTTP, allowedRoutes: { kinds: [{ kind: TCPRoute }] } }
    - { name: E, port: 83, protocol: HTTP }
    - { name: f, port: 84, protocol: HTTPS, tls: { certificateRefs: [{ name: x, namespace: other }] } }
`,
    status: 1,
    says: /listeners\[4\]\.name "E": must be lower-case [^\n]*\n[^\n]*:7: [^\n]*listeners\[0\]\.protocol "FOO": must be HTTP, HTTPS, TLS, TCP or UDP\n[^\n]*:9: [^\n]*listeners\[2\]: an earlier listener [^\n]* port and hostname\n[^\n]*:10: [^\n]*listeners\[3\]\.allowedRoutes\.kinds: must be GRPCRoute or HTTPRoute only\n(?![^\n]*listeners)/,
  },
  {
    name: 'a Gateway with parts that the agent would reject',
    text: `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: a, namespace: shop }
spec:
  gatewayClassName: x
  addresses: [{ type: Hostname, value: a.test }]
  infrastructure: { parametersRef: { group: x, kind: Y, name: z } }
  tls:
    frontend: { default: { validation: { mode: Later, caCertificateRefs: [] } } }
    backend: { clientCertificateRef: { kind: ConfigMap, name: a } }
  listeners:
    - { name: a, port: 443, protocol: TLS, tls: { mode: Both } }
    - { name: b, port: 80, protocol: HTTP }
    - { name: c, port: 80, protocol: TCP }
`,
    status: 1,
    says: /parametersRef: must be absent[\s\S]*addresses\[0\] of type Hostname: must be of type IPAddress[\s\S]*mode "Later": must be AllowValidOnly[\s\S]*clientCertificateRef\.kind "ConfigMap": must be Secret[\s\S]*:12: [^\n]*listeners\[0\]\.tls\.mode "Both"[\s\S]*:13: [^\n]*listeners\[1\]: another listener of the Gateway[\s\S]*:14: /,
  },
  {
    name: 'backends of a route that no cluster can have',
    text: `apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: { name: a, namespace: shop }
spec:
  rules:
    - backendRefs:
        - { kind: Pod, name: web, port: 80 }
        - { name: web }
`,
    status: 1,
    says: /backendRefs\[0\]\.kind "Pod" of group "": must be a Service\n[^\n]*backendRefs\[1\]\.port is missing: set it to a port/,
  },
  {
    name: 'a Gateway whose references only a cluster can judge',
    text: `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: a, namespace: shop }
spec:
  gatewayClassName: x
  tls: { frontend: { default: { validation: { caCertificateRefs: [{ group: "", kind: ConfigMap, name: ca, namespace: other }] } } } }
  listeners:
    - { name: a, port: 443, protocol: HTTPS, tls: { certificateRefs: [{ name: pair, namespace: other }] } }
`,
    status: 0,
    says: /is valid/,
  },
  {
    name: 'an EgressRouter',
    text: router,
    status: 0,
    says: /^standard input: EgressRouter shop\/egress-router-redirect is valid$/m,
  },
  {
    name: 'an EgressRouter with a mistake, by its line',
    text: router.replace('"192.168.12.1"', '"192.168.13.1"'),
    status: 1,
    says: /^standard input:8: EgressRouter shop\/egress-router-redirect: spec\.addresses\[0\]\.gateway "192\.168\.13\.1": must be/m,
  },
  { name: 'a network configuration', text: JSON.stringify(conf), status: 0, says: /network configuration n is valid/ },
  {
    name: 'a wrong network configuration',
    text: JSON.stringify(wrong, undefined, 1),
    status: 1,
    says: /^standard input:9: .*ip\.gateway "192\.168\.13\.1"/m,
  },
  {
    name: 'a configuration list with another plugin before ours',
    text: JSON.stringify({
      cniVersion: '1.1.0',
      name: 'list',
      plugins: [{ type: 'bridge' }, { ...wrong, name: undefined, cniVersion: undefined }],
    }),
    status: 1,
    says: /network configuration list list: plugins\[1\]\.ip\.gateway/,
  },
  {
    name: 'a configuration list without ours',
    text: JSON.stringify({ cniVersion: '1.1.0', name: 'l', plugins: [{ type: 'bridge' }] }),
    status: 0,
    says: /not for an egress router/,
  },
  {
    name: 'an unknown version of CNI',
    text: JSON.stringify({ ...conf, cniVersion: '0.2.0' }),
    status: 1,
    says: /cniVersion "0\.2\.0": must be one of 0\.3\.0/,
  },
  {
    name: 'a NetworkAttachmentDefinition',
    text: definition(JSON.stringify(conf)),
    status: 0,
    says: /NetworkAttachmentDefinition nad is valid/,
  },
  {
    name: 'a definition without a name in its configuration',
    text: definition(JSON.stringify({ ...conf, name: undefined })),
    status: 0,
    says: /nad is valid/,
  },
  { name: 'a wrong NetworkAttachmentDefinition', text: definition(JSON.stringify(wrong)), status: 1, says: gateway13 },
  {
    name: 'a definition of another plugin',
    text: definition('{"type":"macvlan"}'),
    status: 0,
    says: /not for an egress router/,
  },
  { name: 'a definition that is no JSON', text: definition('{'), status: 1, says: /spec\.config "\{": must be JSON/ },
  { name: 'a Route of the ingress agent', text: route('13306'), status: 0, says: /Route shop\/r is valid/ },
  { name: 'a wrong Route', text: route('x'), status: 1, says: /external-tcp-port/ },
  {
    name: 'what is none of our business',
    text: 'apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: d }\n',
    status: 0,
    says: /Deployment d: skipped: not for an egress router/,
  },
  {
    name: 'several documents and a list',
    text: `${router}---\napiVersion: v1\nkind: List\nitems: [${route('x')}]\n`,
    status: 1,
    says: /is valid\n(?:.*\n)*.*:18: Route shop\/r: /,
  },
  {
    name: 'text that is no YAML, by its line',
    text: 'a: [\nb',
    status: 1,
    says: /^standard input:\d: document: .*must be YAML or JSON/m,
  },
  { name: 'a document that is no object', text: '- 1\n', status: 1, says: /must be an object/ },
  { name: 'nothing', text: '', status: 0, says: /contains no documents/ },
  {
    name: 'a bomb of aliases',
    text: `a: &a [1]\n${Array.from({ length: 9 }, (_, index) => `b${index}: &b${index} [${`*${index === 0 ? 'a' : `b${index - 1}`},`.repeat(20)}]`).join('\n')}\n`,
    status: 1,
    says: /must be YAML or JSON/,
  },
];

describe('erctl validate', () => {
  for (const { name, text, status, says } of files) {
    it(`parses ${name}`, async () => {
      const ended = await call(['validate', '-'], { '-': text });
      assert.equal(ended.err, '');
      assert.match(ended.out, says);
      assert.equal(ended.status, status);
      const document = await call(['validate', '-', '--output', 'json'], { '-': text });
      assert.equal(validateDocumentSchema.parse(JSON.parse(document.out)).valid, status === 0);
    });
  }

  it('names a file that cannot be read, with status 2', async () => {
    assert.deepEqual(await call(['validate', 'nowhere.yaml']), {
      status: 2,
      out: '',
      err: 'erctl: Cannot read nowhere.yaml: ENOENT: no such file or directory\n',
    });
  });
});

const named = (name: string): string =>
  router
    .replace('destinationIP: "203.0.113.26"', `destinationName: "${name}"`)
    .replace('fallbackIP: "203.0.113.30"', `fallbackName: "${name}"`);
const namedConf = (name: string): string =>
  JSON.stringify({ ...conf, ip: { ...conf.ip, destinations: [`8443 TCP ${name} 443`] } });

describe('names in erctl validate and erctl render', () => {
  const inside = 'db.shop.svc.cluster.local';
  const kinds = [
    ['an EgressRouter', named],
    ['a network configuration', namedConf],
    ['a NetworkAttachmentDefinition', (name: string) => definition(namedConf(name))],
    [
      'a configuration list',
      (name: string) => JSON.stringify({ cniVersion: '1.1.0', name: 'n', plugins: [JSON.parse(namedConf(name))] }),
    ],
    [
      'the annotation of an EgressRouter',
      (name: string) =>
        router.replace(
          'metadata:',
          `metadata:\n  annotations: { egress-router.io/destinations: "8443 TCP ${name} 443" }`,
        ),
    ],
  ] as const;
  for (const [kind, write] of kinds) {
    it(`are accepted in ${kind}, and names inside the cluster only if they are allowed`, async () => {
      for (const command of ['validate', 'render']) {
        const reject = command === 'validate' ? 1 : 2;
        assert.equal((await call([command, '-'], { '-': write('api.partner.example') })).status, 0);
        const refused = await call([command, '-'], { '-': write(inside) });
        assert.equal(refused.status, reject);
        assert.match(refused.out + refused.err, /must be a name outside the cluster.*--allow-names/);
        const allow = ['--allow-names', 'other.example,shop.svc.cluster.local'];
        assert.equal((await call([command, '-', ...allow], { '-': write(inside) })).status, 0);
        assert.equal(
          (await call([command, '-', '--allow-names', 'op.svc.cluster.local'], { '-': write(inside) })).status,
          reject,
        );
        assert.equal((await call([command, '-', ...allow], { '-': write('localhost.localdomain') })).status, reject);
        assert.equal((await call([command, '-', ...allow], { '-': write('plain') })).status, reject);
      }
    });
  }

  it('are allowed by the variable of the node daemon, too', async () => {
    process.env.ALLOW_NAMES = 'svc.cluster.local';
    try {
      assert.equal((await call(['validate', '-'], { '-': named(inside) })).status, 0);
    } finally {
      delete process.env.ALLOW_NAMES;
    }
  });

  it('rejects a value of --allow-names that is no list of suffixes', async () => {
    const { status, err } = await call(['validate', '-', '--allow-names', '*.svc'], { '-': router });
    assert.equal(status, 2);
    assert.match(err, /must be DNS suffixes separated by commas/);
  });

  it('rejects a rule with a name and an address', async () => {
    const both = router.replace(
      'destinationIP: "203.0.113.26"',
      'destinationIP: "203.0.113.26", destinationName: a.example',
    );
    const { status, out } = await call(['validate', '-'], { '-': both });
    assert.equal(status, 1);
    assert.match(out, /destinationName/);
  });
});

describe('a pool of routers', () => {
  const second = ', { ip: "192.168.12.100/24", gateway: "192.168.12.1" }]';
  const pool = router.replace('"192.168.12.1" }]', `"192.168.12.1" }${second}`);

  it('is valid, as it is for the controller', async () => {
    assert.match((await call(['validate', '-'], { '-': pool })).out, /is valid/);
    const twice = pool.replace('192.168.12.100', '192.168.12.99');
    assert.equal((await call(['validate', '-'], { '-': twice })).status, 1);
  });

  it('is rendered as one definition and one set of rules per router', async () => {
    const { status, out } = await call(['render', '-', '-o', 'json'], { '-': pool });
    assert.equal(status, 0);
    const { routers } = renderDocumentSchema.parse(JSON.parse(out));
    assert.deepEqual(
      routers.map(({ definition: made }) => [made?.metadata.name, JSON.parse(made?.spec.config ?? '').ip.addresses]),
      [
        ['egress-router-cni-nad', ['192.168.12.99/24']],
        ['egress-router-cni-nad-192-168-12-100', ['192.168.12.100/24']],
      ],
    );
    assert.match(routers[1]?.scripts[0]?.input ?? '', /192\.168\.12\.100/);
  });

  it('is rendered with the names that the controller gives to routers of two families', async () => {
    const six = (host: string) => `, { ip: "2001:db8:12::${host}/64", gateway: "2001:db8:12::1" }`;
    const both = router.replace(
      '"192.168.12.1" }]',
      `"192.168.12.1" }${six('99')}${second.replace(' }]', ' }')}${six('100')}]`,
    );
    const { out } = await call(['render', '-', '-o', 'json'], { '-': both });
    const { routers } = renderDocumentSchema.parse(JSON.parse(out));
    const read = parseEgressRouterObject(parse(both) as Readonly<Record<string, unknown>>);
    assert.ok(read.ok);
    const names = assignMembers(namesOf('shop', true), read.value, []).map((member) => member.names.definition);
    assert.deepEqual(
      routers.map(({ definition: made }) => made?.metadata.name),
      names,
    );
    assert.equal(names.length, 2);
  });
});

describe('erctl render', () => {
  for (const backend of ['nftables', 'iptables']) {
    it(`prints the definition and the rules of ${backend}`, async () => {
      const { status, out } = await call(['render', '-', '--backend', backend], { '-': router });
      assert.equal(status, 0);
      assertGolden(`erctl/render.${backend}.txt`, out);
    });
  }

  it('prints a definition that the plugin parses into the same router', async () => {
    const { out } = await call(['render', '-', '--only', 'nad', '-o', 'json'], { '-': router });
    const [rendered] = renderDocumentSchema.parse(JSON.parse(out)).routers;
    assert.deepEqual(rendered?.scripts, []);
    const read = parseNetConf(JSON.parse(rendered?.definition?.spec.config ?? ''));
    assert.ok(read.ok);
    const { kind, master, redirects, reserved } = read.value;
    assert.deepEqual(
      [kind.mode, master, redirects.redirects.length, redirects.fallbacks.length, reserved.length],
      ['private', 'eth1', 2, 1, 1],
    );
    const again = await call(['validate', '-'], {
      '-': (await call(['render', '-', '--only', 'nad'], { '-': router })).out,
    });
    assert.match(again.out, /egress-router-cni-nad is valid/);
  });

  it('uses the interface names of its options', async () => {
    const { out } = await call(['render', '-', '--interface', 'net7', '--pod-interface', 'ens3'], {
      '-': JSON.stringify(conf),
    });
    assert.match(out, /^table inet egress-router-net7 \{$/m);
    assert.match(out, /iifname "ens3" oifname "net7"/);
    assert.doesNotMatch(out, /NetworkAttachmentDefinition/);
  });

  const refusals: { name: string; args?: string[]; text: string; says: RegExp }[] = [
    {
      name: 'a wrong router',
      text: JSON.stringify(wrong),
      says: /is invalid: ip\.gateway "192\.168\.13\.1".*erctl validate/,
    },
    { name: 'nothing to render', text: 'kind: Deployment\napiVersion: apps/v1\n', says: /nothing to render/ },
    { name: 'no YAML', text: 'a: [', says: /line 1/ },
    {
      name: 'an interface that is a pattern',
      args: ['--interface', 'net+'],
      text: router,
      says: /Must be the name of an interface/,
    },
  ];
  for (const { name, args = [], text, says } of refusals) {
    it(`rejects ${name}`, async () => {
      const { status, out, err } = await call(['render', '-', ...args], { '-': text });
      assert.equal(status, 2);
      assert.equal(out, '');
      assert.match(err, says);
    });
  }

  it("does not allow an object's name to inject rules", async () => {
    const text = router.replace('egress-router-redirect', '"x\\nflush ruleset\\n\\e[2J"');
    const { out } = await call(['render', '-', '--only', 'rules'], { '-': text });
    assert.doesNotMatch(out, /^flush/m);
    assert.ok(!out.includes('\u001b'));
  });
});
