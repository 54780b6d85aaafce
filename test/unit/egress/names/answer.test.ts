import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isAnswerTo, readAnswer } from '../../../../src/egress/names/answer.ts';
import {
  type DnsRecord,
  type DnsResponse,
  readResponse,
  writeQuery,
} from '../../../../src/egress/names/dns-message.ts';
import { parseServers, readResolvConf } from '../../../../src/egress/names/resolv-conf.ts';

const address = (owner: string, text: string, ttl = 60): DnsRecord => ({
  kind: 'address',
  owner,
  ttl,
  address: { family: text.includes(':') ? 6 : 4, text },
});
const alias = (owner: string, target: string, ttl = 60): DnsRecord => ({ kind: 'alias', owner, target, ttl });

function respond(records: readonly DnsRecord[], more: Partial<DnsResponse> = {}): DnsResponse {
  const question = { name: 'a.example', type: 1 };
  return { id: 7, isTruncated: false, code: 0, question, records, negativeTtl: undefined, ...more };
}

describe('readAnswer', () => {
  const read = (records: readonly DnsRecord[], more?: Partial<DnsResponse>) =>
    readAnswer(respond(records, more), 'a.example', 4);

  it('follows aliases to all addresses, with the lowest TTL of the chain', () => {
    const records = [
      address('c.example', '203.0.113.2', 50),
      alias('b.example', 'c.example', 5),
      alias('a.example', 'b.example'),
      address('c.example', '203.0.113.1', 40),
    ];
    assert.deepEqual(read(records), {
      kind: 'addresses',
      addresses: [
        { family: 4, text: '203.0.113.2' },
        { family: 4, text: '203.0.113.1' },
      ],
      ttl: 5,
    });
  });

  it('ignores records outside the alias chain and of the other family', () => {
    assert.deepEqual(read([address('other.example', '203.0.113.9'), address('a.example', '2001:db8::1')]), {
      kind: 'none',
      reason: 'the name has no IPv4 address',
      ttl: undefined,
    });
  });

  it('returns an alias that needs another query, and detects a loop', () => {
    assert.deepEqual(read([alias('a.example', 'b.example', 9)]), {
      kind: 'alias',
      name: 'b.example',
      ttl: 9,
      followed: 1,
    });
    assert.equal(read([alias('a.example', 'b.example'), alias('b.example', 'a.example')]).kind, 'failed');
  });

  it('distinguishes names that do not exist from servers that cannot answer', () => {
    assert.equal(read([], { code: 3 }).kind, 'none');
    assert.deepEqual(read([], { code: 2 }), { kind: 'failed', reason: 'the server answered SERVFAIL' });
    assert.deepEqual(read([], { code: 5 }), { kind: 'failed', reason: 'the server answered REFUSED' });
  });

  it('accepts only responses with the ID and question of the query', () => {
    assert.ok(isAnswerTo(respond([]), 7, 'a.example', 4));
    assert.ok(!isAnswerTo(respond([]), 8, 'a.example', 4));
    assert.ok(!isAnswerTo(respond([]), 7, 'b.example', 4));
    assert.ok(!isAnswerTo(respond([]), 7, 'a.example', 6));
    assert.ok(!isAnswerTo(respond([], { question: undefined }), 7, 'a.example', 4));
  });
});

describe('readResponse', () => {
  it('rejects queries and arbitrary bytes without an exception', () => {
    assert.equal(readResponse(writeQuery(1, 'a.example', 4, true)), undefined);
    fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => void readResponse(Buffer.from(bytes))));
    const response = writeQuery(1, 'a.example', 4, false);
    response[2] = 0x81;
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(9), (bytes, answers) => {
        response[7] = answers;
        readResponse(Buffer.concat([response, bytes]));
      }),
    );
  });

  it('returns the question in lower case', () => {
    const response = writeQuery(515, 'API.example', 6, false);
    response[2] = 0x81;
    assert.deepEqual(readResponse(response), {
      id: 515,
      isTruncated: false,
      code: 0,
      question: { name: 'api.example', type: 28 },
      records: [],
      negativeTtl: undefined,
    });
  });

  it('rejects compression pointers that point forwards or to themselves', () => {
    const head = Buffer.from([0, 1, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0]);
    for (const pointer of [0x0c, 0x0e, 0x20]) {
      assert.equal(readResponse(Buffer.concat([head, Buffer.from([0xc0, pointer, 0, 1, 0, 1])])), undefined);
    }
  });
});

describe('DNS servers', () => {
  it('are parsed from resolv.conf, ignoring other lines', () => {
    const text =
      'search a.example\n# nameserver 192.0.2.1\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\noptions edns0\nnameserver x\n';
    assert.deepEqual(readResolvConf(text), [
      { address: '192.0.2.53', port: 53 },
      { address: 'fe80::1%eth0', port: 53 },
    ]);
  });

  it('are parsed from the option', () => {
    assert.deepEqual(parseServers('192.0.2.53, [2001:db8::53]:5353,2001:db8::54,192.0.2.1:5300'), [
      { address: '192.0.2.53', port: 53 },
      { address: '2001:db8::53', port: 5353 },
      { address: '2001:db8::54', port: 53 },
      { address: '192.0.2.1', port: 5300 },
    ]);
    for (const bad of ['', 'dns.example', '192.0.2.53:0', '192.0.2.53:99999', '192.0.2.53,']) {
      assert.equal(parseServers(bad), undefined, bad);
    }
  });
});
