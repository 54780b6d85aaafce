import { existsSync, readFileSync } from 'node:fs';
import { Lab } from '../../test/lab/lab.ts';
import { addresses as at } from '../../test/lab/names.ts';
import type { Stage } from './stage.ts';

const picture = `
  client pod  ──►  router pod ─ eth0 ► net1 ──►  physical network  ──►  destination
  10.128.20.30     10.128.10.18:8080  192.168.12.99                     203.0.113.26:80
                   the port decides   the reserved source IP            sees 192.168.12.99
`;

/** The EgressRouter of OpenShift's documentation. */
const egressRouter = {
  apiVersion: 'network.operator.openshift.io/v1',
  kind: 'EgressRouter',
  metadata: { name: 'egress-router-redirect' },
  spec: {
    networkInterface: { macvlan: { mode: 'Bridge' } },
    addresses: [{ ip: '192.168.12.99/24', gateway: '192.168.12.1' }],
    mode: 'Redirect',
    redirect: {
      redirectRules: [
        { destinationIP: '10.0.0.99', port: 80, protocol: 'UDP' },
        { destinationIP: '203.0.113.26', port: 8080, targetPort: 80, protocol: 'TCP' },
        { destinationIP: '203.0.113.27', port: 8443, targetPort: 443, protocol: 'TCP' },
      ],
    },
  },
};

/** First act: an egress router from installation to removal. */
export async function playEgress(stage: Stage): Promise<void> {
  stage.act('An egress router gives pods one source IP that external firewalls can trust');
  stage.show(picture);
  const lab = await Lab.up('erdemo', { strictReversePath: true });
  try {
    await lab.serveOutside({ tcp: [80, 443], udp: [80] });
    await playRouter(stage, lab);
  } finally {
    lab.down();
  }
}

/** The usual place of the log. Other routers on this machine may have written to it before. */
const log = '/tmp/egress-router-log';

function readLog(): string {
  return existsSync(log) ? readFileSync(log, 'utf8') : '';
}

async function playRouter(stage: Stage, lab: Lab): Promise<void> {
  const before = readLog();
  const config = {
    cniVersion: '1.1.0',
    name: 'egress-router-cni-nad',
    type: 'egress-router',
    egressRouter,
  };
  const untouched = await lab.describe('pod');

  stage.step('The container runtime calls ADD with the EgressRouter of the documentation');
  stage.show(JSON.stringify(egressRouter.spec.redirect.redirectRules, undefined, 1).replaceAll(/\n\s+(?=["}])/g, ' '));
  const added = await lab.plugin('ADD', config);
  stage.claim('ADD exits with status', `${added.status}`, '0');
  if (added.status !== 0) stage.show(added.stdout);

  stage.step(
    'Two clients in different subnets of the cluster connect to the router; the servers report the source addresses',
  );
  for (const client of ['near', 'far'] as const) {
    const agent = await lab.agent(client);
    const reach = (protocol: 'tcp' | 'udp', port: number): Promise<string> => agent.reach(protocol, at.pod[4], port);
    const from = `${client === 'near' ? 'same' : 'other'} subnet, ${at[client][4]}`;
    stage.claim(`${from} → tcp 8080`, await reach('tcp', 8080), '192.168.12.99 203.0.113.26 80');
    stage.claim(`${from} → tcp 8443`, await reach('tcp', 8443), '192.168.12.99 203.0.113.27 443');
    stage.claim(`${from} → udp 80  `, await reach('udp', 80), '192.168.12.99 10.0.0.99 80');
  }

  stage.step('A port without a rule rejects connections at once, and no connection enters from outside');
  const far = await lab.agent('far');
  stage.claim('client → tcp 9999', await far.reach('tcp', at.pod[4], 9999), 'ECONNREFUSED');
  stage.claim('client → 203.0.113.26 through the pod', await refusedThrough(lab), 'ECONNREFUSED');
  const outsider = await lab.agent('outsider');
  stage.claim(
    'outsider → 192.168.12.99 tcp 8080',
    await outsider.reach('tcp', at.reserved[4], 8080, { timeout: 400 }),
    'timeout',
  );
  stage.claim(
    'outsider → cluster through net1',
    await outsider.reach('tcp', at.near[4], 22, { timeout: 400 }),
    'timeout',
  );

  stage.step("The log described in OpenShift's documentation");
  stage.show(`$ cat ${log}`);
  stage.show(readLog().slice(before.length));

  stage.step('Routes and rules in the pod');
  stage.show(await lab.run('pod', 'ip', ['route']));
  stage.show('');
  const rules = (await lab.run('pod', 'iptables-save', ['-t', 'nat']))
    .split('\n')
    .filter((line) => line.startsWith('-A'));
  stage.show(rules.join('\n'));

  stage.step('CHECK finds no difference; when a rule is missing, it names the rule');
  const check = { ...config, prevResult: added.json };
  stage.claim('CHECK exits with status', `${(await lab.plugin('CHECK', check)).status}`, '0');
  await lab.run('pod', 'iptables', ['-t', 'nat', '-D', 'ER-net1-T', '1']);
  const broken = await lab.plugin('CHECK', check);
  stage.claim(
    'CHECK after a rule was deleted',
    `${broken.json?.details}`,
    /rule is missing: .* --dport 8080 .*203\.0\.113\.26:80/,
  );

  stage.step('DEL restores the previous state');
  stage.claim('DEL exits with status', `${(await lab.plugin('DEL', config)).status}`, '0');
  stage.claim('DEL again', `${(await lab.plugin('DEL', config)).status}`, '0');
  const after = await lab.describe('pod');
  stage.claim('the namespace', after === untouched ? 'is as it was' : 'has changed', 'is as it was');
  stage.show(await lab.run('pod', 'ip', ['route']));
}

/** Uses the pod as a router for a destination that the client may reach through a port only. */
async function refusedThrough(lab: Lab): Promise<string> {
  await lab.ip('near', `route add ${at.web[4]} via ${at.pod[4]}`);
  const near = await lab.agent('near');
  const reply = await near.reach('tcp', at.web[4], 80);
  await lab.ip('near', `route delete ${at.web[4]}`);
  return reply;
}
