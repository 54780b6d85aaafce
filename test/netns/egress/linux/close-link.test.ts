import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'mocha';
import { NetlinkError, NetlinkSocket, netlinkFamily } from '../../../../src/base/linux/netlink/socket.ts';
import { parsePrefix } from '../../../../src/base/model/address.ts';
import { closeLink } from '../../../../src/egress/linux/close-link.ts';
import { inNamespace } from '../../base/linux/wire.ts';

const netns = 'erclose';
const newQdisc = 36;

describe('a link that is about to be deleted', () => {
  const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8' });
  const drop = (): void => {
    if (ip('netns', 'list').includes(netns)) ip('netns', 'delete', netns);
  };
  const show = (): { index: number; text: string } => {
    const [{ ifindex }] = JSON.parse(ip('-n', netns, '-j', 'link', 'show', 'v0')) as [{ ifindex: number }];
    return { index: ifindex, text: ip('-n', netns, '-d', 'address', 'show', 'dev', 'v0') };
  };
  const addresses = ['192.0.2.9/24', '2001:db8::9/64'].flatMap((text) => parsePrefix(text) ?? []);

  before(() => {
    drop();
    ip('netns', 'add', netns);
    ip('-n', netns, 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1');
    for (const link of ['v0', 'v1']) ip('-n', netns, 'link', 'set', link, 'up');
    for (const { address, length } of addresses)
      ip(
        '-n',
        netns,
        'address',
        'add',
        `${address.text}/${length}`,
        'dev',
        'v0',
        ...(address.family === 6 ? ['nodad'] : []),
      );
  });
  after(drop);

  /** Closes it by a kernel that refuses queueing disciplines with a code, if any. */
  function close(refusal?: string): void {
    inNamespace(netns, () => {
      const socket = new NetlinkSocket(netlinkFamily.route);
      const asked: Pick<NetlinkSocket, 'request'> = {
        request: (type, flags, write) => {
          if (type === newQdisc && refusal !== undefined) throw new NetlinkError(refusal, undefined);
          return socket.request(type, flags, write);
        },
      };
      try {
        closeLink(asked as NetlinkSocket, 'v0', show().index, addresses);
      } finally {
        socket.close();
      }
    });
  }

  it('drops what it sends and has no address, but is up; closing it twice is not an error', () => {
    close();
    close();
    const { text } = show();
    assert.match(text, /qdisc blackhole state UP/);
    assert.doesNotMatch(text, /192\.0\.2\.9|2001:db8::9/);
    assert.match(ip('netns', 'exec', netns, 'sysctl', 'net.ipv4.conf.v0.forwarding'), /= 0/);
  });

  it('is down if the kernel has no queueing disciplines', () => {
    close('EOPNOTSUPP');
    assert.match(show().text, /state DOWN/);
  });

  it('is an error if it does not exist', () => {
    assert.throws(() => close('ENODEV'), { code: 'ENODEV' });
  });
});
