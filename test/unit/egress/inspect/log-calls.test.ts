import assert from 'node:assert/strict';
import { selectCalls } from '../../../../src/egress/inspect/log-calls.ts';

const at = '2026-11-30T09:06:29Z';
const first = [
  `${at} [debug] Called CNI ADD`,
  `${at} [debug] Gateway: 192.168.12.1`,
  `${at} [debug] IP Source Addresses: [192.168.12.9/24]`,
  'a second line of a message',
];
const second = [`${at} [debug] Called CNI ADD`, `${at} [debug] IP Source Addresses: [192.168.12.99/24 2001:db8::9/64]`];
const other = [`${at} [debug] Called CNI DEL`];

describe('Calls of one router in the log of the plugin', () => {
  const log = `${[...first, ...other, ...second].join('\n')}\n`;

  it('are those that mention its address, whole', () => {
    assert.deepEqual(selectCalls(log, ['192.168.12.9']), first);
    assert.deepEqual(selectCalls(log, ['192.168.12.99']), second);
    assert.deepEqual(selectCalls(log, ['2001:db8::9']), second);
  });

  it('do not include those of longer addresses', () => {
    assert.deepEqual(selectCalls(log, ['192.168.12.999', '2.168.12.9', '2001:db8::']), []);
    assert.deepEqual(selectCalls('', ['192.168.12.9']), []);
  });

  it('include live changes and both of several addresses', () => {
    const change = [
      `${at} [debug] Changing the redirects of a running egress router`,
      `${at} [debug] Added iptables rule: iptables -t nat POSTROUTING -o net1 -j SNAT --to-source 192.168.12.9`,
    ];
    assert.deepEqual(selectCalls([...first, ...change].join('\n'), ['192.168.12.9']), [...first, ...change]);
    assert.deepEqual(selectCalls(log, ['192.168.12.9', '192.168.12.99']), [...first, ...second]);
  });
});
