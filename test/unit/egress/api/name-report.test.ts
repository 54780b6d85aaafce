import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  type NameReport,
  nameLimits,
  readNameReports,
  writeNameReports,
} from '../../../../src/egress/api/name-report.ts';

const report: NameReport = {
  name: 'api.partner.example',
  addresses: ['203.0.113.26', '2001:db8:203::26'],
  expires: '2026-11-30T12:00:00Z',
  changed: '2026-11-30T11:00:00Z',
  error: 'the server answered SERVFAIL',
};
const read = (document: unknown): unknown => readNameReports(JSON.stringify(document)).get('net1');

describe('the report of names in a pod annotation', () => {
  it('is read as it was written', () => {
    const reports = new Map([
      ['net1', [report, { name: 'b.example', addresses: [], moreAddresses: 3 }]],
      ['net2', [{ name: 'b.example', addresses: ['203.0.113.9'] }]],
    ]);
    assert.deepEqual(readNameReports(writeNameReports(reports)), reports);
  });

  const forged: readonly (readonly [name: string, document: unknown, want: unknown])[] = [
    ['a name in another form', { net1: [{ ...report, name: 'API.partner.example' }] }, []],
    ['a name with a line break', { net1: [{ ...report, name: 'a.example\nb' }] }, []],
    ['a name that is too long', { net1: [{ ...report, name: `${'a.'.repeat(200)}example` }] }, []],
    ['a name twice', { net1: [report, { ...report, addresses: [] }] }, [{ ...report, addresses: [] }]],
    ['an object in place of the list', { net1: { 0: report } }, []],
    [
      'addresses that are none',
      { net1: [{ ...report, addresses: ['x', 7, '203.0.113.26/24'] }] },
      [{ ...report, addresses: [] }],
    ],
    [
      'times that an API server rejects',
      { net1: [{ name: 'a.example', expires: '2026-13-45T12:00:00Z', changed: '1' }] },
      [{ name: 'a.example', addresses: [] }],
    ],
    [
      'counts that are none',
      { net1: [{ name: 'a.example', moreAddresses: -1 }] },
      [{ name: 'a.example', addresses: [] }],
    ],
    ['unknown fields', { net1: [{ name: 'a.example', labels: {} }] }, [{ name: 'a.example', addresses: [] }]],
    ['no interface', [], undefined],
    ['no object', 'x', undefined],
  ];
  for (const [name, document, want] of forged) {
    it(`loses what cannot be right: ${name}`, () => assert.deepEqual(read(document), want));
  }

  it('has a limit for names, addresses, errors and all text, and keeps names with errors first', () => {
    const many = Array.from({ length: 500 }, (_, index) => ({ ...report, name: `n${index}.example` }));
    const short = many.slice(0, 200).map(({ name }) => ({ name }));
    assert.equal(readNameReports(JSON.stringify({ net1: short })).get('net1')?.length, nameLimits.names);
    const healthy = many.map(({ error: _error, ...rest }) => rest);
    const last = { ...report, name: 'last.example' };
    const text = writeNameReports(new Map([['net1', [...healthy, last]]]));
    assert.ok(text.length <= nameLimits.text, `${text.length}`);
    assert.ok(text.includes('last.example'));
    const long = {
      ...report,
      addresses: Array.from({ length: 99 }, (_, index) => `203.0.113.${index}`),
      error: 'é\n'.repeat(999),
    };
    const [one] = readNameReports(JSON.stringify({ net1: [long] })).get('net1') ?? [];
    assert.equal(one?.addresses.length, nameLimits.addresses);
    assert.ok((one?.error?.length ?? 0) <= nameLimits.error && !one?.error?.includes('\n'));
    assert.equal(readNameReports(JSON.stringify({ net1: [{ ...report, padding: 'x'.repeat(100_000) }] })).size, 0);
  });

  it('stays within the limit for the largest reports', () => {
    const wide: NameReport = {
      ...report,
      addresses: Array(16).fill('2001:db8:ffff:ffff:ffff:ffff:ffff:ffff'),
      error: '"'.repeat(300),
    };
    const links = Array.from({ length: 15 }, (_, link) => {
      const own = Array.from({ length: 200 }, (__, index) => ({
        ...wide,
        name: `${'a'.repeat(60)}.n${index}.example`,
      }));
      return [`net${link}`, own] as const;
    });
    assert.ok(writeNameReports(new Map(links)).length <= nameLimits.text);
  });

  it('is never read into more than valid values, whatever the annotation contains', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        for (const list of readNameReports(json).values()) assert.ok(list.length <= nameLimits.names);
      }),
    );
  });
});
