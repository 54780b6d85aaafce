/**
 * The rooms of src and the rooms each may import; whatever is not listed is refused, types included.
 * Arrows point down: see ARCHITECTURE.md.
 */
const rooms = {
  erctl: ['inspect', 'firewall', 'plan', 'kernel', 'rules', 'files'],
  ingress: ['haproxy', 'cluster', 'daemon', 'firewall', 'rules', 'files'],
  node: ['inspect', 'cni', 'cluster', 'daemon', 'plan', 'kernel', 'rules', 'files'],
  controller: ['cluster', 'daemon', 'plan'],
  pod: [],
  inspect: ['plan', 'firewall', 'rules'],
  cni: ['plan', 'kernel', 'rules', 'files'],
  cluster: ['daemon', 'files'],
  haproxy: ['files'],
  kernel: ['rules', 'files'],
  plan: ['rules'],
  firewall: [],
  rules: [],
  daemon: [],
  files: [],
  api: [],
  model: [],
};

/** Every room may read what people write and the values of the model; these two import nothing above them. */
const shared = { api: ['model'], model: [] };

const allowed = Object.entries(rooms).map(([room, others]) => ({
  from: { path: `^src/${room}/` },
  to: { path: `^src/(${[room, ...others, ...(shared[room] ?? ['api', 'model'])].join('|')})/` },
}));

export default {
  forbidden: [{ name: 'no-circular', severity: 'error', from: {}, to: { circular: true } }],
  allowed: [
    ...allowed,
    // Programs, tools and tests wire rooms together.
    { from: { pathNot: '^src/' }, to: {} },
    { from: {}, to: { pathNot: '^src/' } },
  ],
  allowedSeverity: 'error',
  options: {
    doNotFollow: { path: 'node_modules' },
    parser: 'swc',
    tsPreCompilationDeps: true,
  },
};
