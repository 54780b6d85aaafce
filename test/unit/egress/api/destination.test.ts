import assert from 'node:assert/strict';
import fc from 'fast-check';
import { formatDestination } from '../../../../src/base/model/format.ts';
import { type Destination, parseDestination } from '../../../../src/egress/api/destination.ts';
import { hosts, ports, redirects } from '../../arbitraries.ts';

const forms = '"IP", "PORT PROTOCOL IP" or "PORT PROTOCOL IP TARGETPORT"';

function noTarget(word: string): string {
  return `must contain an IPv4 or IPv6 address, not "${word}", or a fully qualified DNS name without a mask`;
}

/** Formats a parsed destination for comparison. */
function describeDestination(destination: Destination): string {
  switch (destination.kind) {
    case 'redirect':
    case 'named':
      return formatDestination(destination.redirect);
    case 'fallback':
      return `fallback ${'name' in destination.target ? destination.target.name : destination.target.text}`;
    case 'blank':
      return 'blank';
    case 'error':
      return `error: ${destination.expected}`;
  }
}

describe('parseDestination', () => {
  const cases: readonly (readonly [text: unknown, want: string])[] = [
    ['80 UDP 10.0.0.99', '80 UDP 10.0.0.99'],
    ['80 UDP 10.0.0.99/30', '80 UDP 10.0.0.99'],
    ['8080 TCP 203.0.113.26/30 80', '8080 TCP 203.0.113.26 80'],
    ['8443 tcp 203.0.113.27 443', '8443 TCP 203.0.113.27 443'],
    ['5000 Sctp 203.0.113.27', '5000 SCTP 203.0.113.27'],
    ['80 TCP 10.0.0.1 80', '80 TCP 10.0.0.1'],
    [' \t80\tTCP \t 10.0.0.1  ', '80 TCP 10.0.0.1'],
    ['80 TCP 10.0.0.1 # the web', '80 TCP 10.0.0.1'],
    ['80 TCP 10.0.0.1 8080#the web # again', '80 TCP 10.0.0.1 8080'],
    ['80 TCP 2001:DB8::1/64 8080', '80 TCP 2001:db8::1 8080'],
    ['80 TCP [2001:db8::1] 8080', '80 TCP 2001:db8::1 8080'],
    ['80 TCP [2001:db8::1]/64', '80 TCP 2001:db8::1'],
    ['1 TCP 10.0.0.1 65535', '1 TCP 10.0.0.1 65535'],
    ['203.0.113.30', 'fallback 203.0.113.30'],
    ['203.0.113.30/24 # all the rest', 'fallback 203.0.113.30'],
    ['[2001:db8::30]', 'fallback 2001:db8::30'],
    ['', 'blank'],
    [' \t ', 'blank'],
    ['# 80 TCP 10.0.0.1', 'blank'],
    ['0 TCP 10.0.0.1', 'error: must begin with a port from 1 to 65535, not "0"'],
    ['65536 TCP 10.0.0.1', 'error: must begin with a port from 1 to 65535, not "65536"'],
    ['080 TCP 10.0.0.1', 'error: must begin with a port from 1 to 65535, not "080"'],
    ['+80 TCP 10.0.0.1', 'error: must begin with a port from 1 to 65535, not "+80"'],
    ['http TCP 10.0.0.1', 'error: must begin with a port from 1 to 65535, not "http"'],
    ['80 ICMP 10.0.0.1', 'error: must name TCP, UDP or SCTP, not "ICMP"'],
    ['80 toString 10.0.0.1', 'error: must name TCP, UDP or SCTP, not "toString"'],
    ['80 TCP 10.0.0', `error: ${noTarget('10.0.0')}`],
    ['80 TCP example.com', '80 TCP example.com'],
    ['8443 TCP Api.Partner.EXAMPLE. 443', '8443 TCP api.partner.example 443'],
    ['8443 TCP api.partner.example 8443 # names', '8443 TCP api.partner.example'],
    ['53 udp xn--bcher-kva.example', '53 UDP xn--bcher-kva.example'],
    ['api.partner.example', 'fallback api.partner.example'],
    ['80 TCP localhost', `error: ${noTarget('localhost')}`],
    ['80 TCP partner', `error: ${noTarget('partner')}`],
    ['80 TCP b\u00fccher.example', `error: ${noTarget('b\u00fccher.example')}`],
    ['80 TCP -a.example', `error: ${noTarget('-a.example')}`],
    ['80 TCP a_b.example', `error: ${noTarget('a_b.example')}`],
    ['80 TCP a..example', `error: ${noTarget('a..example')}`],
    ['80 TCP 10.0.0.256', `error: ${noTarget('10.0.0.256')}`],
    ['80 TCP 10.0.0.1o', `error: ${noTarget('10.0.0.1o')}`],
    ['80 TCP 0x7f.1', `error: ${noTarget('0x7f.1')}`],
    ['80 TCP api.example/24', `error: ${noTarget('api.example/24')}`],
    [
      `80 TCP ${'a'.repeat(64)}.example`,
      `error: must contain an IPv4 or IPv6 address, not "${'a'.repeat(46)}…, or a fully qualified DNS name without a mask`,
    ],
    ['80 TCP /24', `error: ${noTarget('/24')}`],
    ['80 TCP 10.0.0.1/33', 'error: must have a mask from 0 to 32 after the address, not "10.0.0.1/33"'],
    ['80 TCP 10.0.0.1/', 'error: must have a mask from 0 to 32 after the address, not "10.0.0.1/"'],
    ['80 TCP 2001:db8::1/129', 'error: must have a mask from 0 to 128 after the address, not "2001:db8::1/129"'],
    ['80 TCP 0.0.0.0', 'error: must contain a routable unicast address, not "0.0.0.0"'],
    ['80 TCP 127.0.0.1', 'error: must contain a routable unicast address, not "127.0.0.1"'],
    ['80 TCP 224.0.0.1', 'error: must contain a routable unicast address, not "224.0.0.1"'],
    ['80 TCP fe80::1', 'error: must contain a routable unicast address, not "fe80::1"'],
    ['80 TCP 10.0.0.1 0', 'error: must end with a target port from 1 to 65535, not "0"'],
    ['80 TCP 10.0.0.1 80 90', `error: must be ${forms}`],
    ['80 TCP', `error: must be ${forms}`],
    ['80 10.0.0.1', `error: must be ${forms}`],
    ['nowhere', `error: must be ${forms}; ${noTarget('nowhere')}`],
    ['80 TCP 10.0.0.1\n90 TCP 10.0.0.2', `error: must be ${forms}`],
    ['80\u00a0TCP\u00a010.0.0.1', `error: must be ${forms}`],
    ['80 TCP 10.0.0.1 # one\n90 TCP 10.0.0.2', `error: must be ${forms}`],
    [8080, `error: must be a string: ${forms}`],
    [null, `error: must be a string: ${forms}`],
    ['x'.repeat(2000), `error: must be ${forms}, with at most 1024 characters`],
  ];
  for (const [text, want] of cases) {
    it(`reads ${JSON.stringify(text).slice(0, 60)}`, () => {
      assert.equal(describeDestination(parseDestination(text)), want);
    });
  }

  it('parses every redirect that formatDestination writes', () => {
    fc.assert(
      fc.property(redirects([4, 6]), (redirect) => {
        assert.deepEqual(parseDestination(formatDestination(redirect)), { kind: 'redirect', redirect });
      }),
    );
  });

  it('ignores white space, case, masks, brackets and comments', () => {
    const blanks = fc.stringMatching(/^[ \t]{1,4}$/);
    const decorated = fc.record({
      redirect: redirects([4, 6]),
      blank: blanks,
      upper: fc.boolean(),
      mask: fc.constantFrom('', '/0', '/24', '/32'),
      brackets: fc.boolean(),
      comment: fc.constantFrom('', '#', ' # a b c d e', '\t#80 TCP 1.2.3.4'),
    });
    fc.assert(
      fc.property(decorated, ({ redirect, blank, upper, mask, brackets, comment }) => {
        const { protocol, port, target, targetPort } = redirect;
        const name = upper ? protocol.toUpperCase() : protocol;
        const address = brackets && target.family === 6 ? `[${target.text}]` : target.text;
        const words = [port, name, `${address}${mask}`, ...(targetPort === undefined ? [] : [targetPort])];
        const text = `${blank}${words.join(blank)}${comment}`;
        assert.deepEqual(parseDestination(text), { kind: 'redirect', redirect });
      }),
    );
  });

  it('parses a bare address as the fallback', () => {
    fc.assert(
      fc.property(fc.oneof(hosts(4), hosts(6)), (target) => {
        assert.deepEqual(parseDestination(target.text), { kind: 'fallback', target });
      }),
    );
  });

  it('never throws and never confuses ports', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parseDestination(text)));
    fc.assert(
      fc.property(ports, (port) => {
        const read = parseDestination(`${port} TCP 10.0.0.1`);
        assert.equal(read.kind === 'redirect' && read.redirect.port, port);
      }),
    );
  });
});
