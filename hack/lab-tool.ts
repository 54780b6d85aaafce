/** Creates or removes the lab of hack/lab. */
import { existsSync, writeFileSync } from 'node:fs';
import { Lab } from '../test/lab/lab.ts';

const prefix = 'erlab';
const configuration = '/tmp/erlab.conf';

if (process.argv[2] === 'down') {
  Lab.sweep(prefix);
  console.log('The lab was removed.');
  process.exit(0);
}

if (existsSync(`/run/netns/${prefix}-node`)) console.log('There is a lab already: removing it and creating it again.');
const lab = await Lab.up(prefix);
lab.keep();
writeFileSync(
  configuration,
  JSON.stringify(
    {
      cniVersion: '1.1.0',
      name: 'lab',
      type: 'egress-router',
      ip: {
        addresses: ['192.168.12.99/24'],
        gateway: '192.168.12.1',
        destinations: ['8080 TCP 203.0.113.26 80', '80 UDP 10.0.0.99'],
      },
    },
    undefined,
    2,
  ),
);
console.log(`The lab is up: ${['phys', 'node', 'pod', 'near', 'far', 'outside', 'outsider'].map((host) => `${prefix}-${host}`).join(', ')}.

  near 10.128.10.30 ─┐
                     ├─ node 192.168.12.5 ── physical network ── outside 192.168.12.1, 203.0.113.26, 10.0.0.99
  pod 10.128.10.18 ──┤                              └── outsider 192.168.12.66
  far 10.128.20.30 ──┘

Try:
  hack/lab shell outside              # busybox httpd -f -p 80
  hack/lab shell node                 # then, as the container runtime would:
    CNI_COMMAND=ADD CNI_CONTAINERID=${prefix}-1 CNI_NETNS=/var/run/netns/${prefix}-pod CNI_IFNAME=net1 \\
      dist/egress-router < ${configuration}
  hack/lab shell far                  # busybox wget -qO- 10.128.10.18:8080
  hack/lab up                         # removes all that, and creates the lab again
  hack/lab down
`);
process.exit(0);
