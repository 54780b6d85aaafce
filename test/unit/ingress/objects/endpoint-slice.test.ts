import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseEndpointSlice } from '../../../../src/ingress/objects/endpoint-slice.ts';
import { makeSlice, writeSlice } from '../samples.ts';

describe('parseEndpointSlice', () => {
  it('parses the owner, the ports and the endpoints of a slice', () => {
    const { service, ports, endpoints } = makeSlice('web', [{ address: '10.128.0.5', nodeName: 'n1' }], [{ port: 80 }]);
    assert.deepEqual([service, ports], ['shop/web', [{ name: '', protocol: 'tcp', port: 80 }]]);
    assert.deepEqual(endpoints, [{ address: { family: 4, text: '10.128.0.5' }, state: 'ready', node: 'n1' }]);
  });

  const states: readonly (readonly [conditions: Record<string, boolean>, want: string])[] = [
    [{}, 'ready'],
    [{ ready: true, terminating: true }, 'ready'],
    [{ ready: false }, 'unready'],
    [{ ready: false, serving: true }, 'unready'],
    [{ ready: false, serving: true, terminating: true }, 'draining'],
    [{ serving: false, terminating: true }, 'unready'],
    [{ terminating: true }, 'draining'],
  ];
  for (const [conditions, want] of states) {
    it(`treats ${JSON.stringify(conditions)} as ${want}`, () => {
      assert.equal(makeSlice('web', [{ address: '10.0.0.1', conditions }]).endpoints[0]?.state, want);
    });
  }

  it('has no endpoints for host names', () => {
    const slice = { ...writeSlice('web', [{ address: 'db.example.com' }]), addressType: 'FQDN' };
    assert.partialDeepStrictEqual(parseEndpointSlice(slice), { ok: true, value: { endpoints: [] } });
  });

  const dangerous = [
    '127.0.0.1',
    '::1',
    '224.0.0.1',
    'fe80::1',
    '0.0.0.0',
    '::',
    'ff02::1',
    '255.255.255.255',
    // Metadata services of clouds, plain and as IPv4 in IPv6.
    '169.254.169.254',
    'fd00:ec2::254',
    '::ffff:169.254.169.254',
    '64:ff9b::a9fe:a9fe',
    '2002:a9fe:a9fe::1',
    '::127.0.0.1',
    '10.0.0',
    '10.0.0.1; drop',
    '',
  ];
  for (const address of dangerous) {
    it(`omits an endpoint at ${JSON.stringify(address)}, and no other`, () => {
      const { endpoints, leftOut } = makeSlice('web', [{ address }, { address: '10.0.0.1' }]);
      assert.deepEqual(
        endpoints.map((endpoint) => endpoint.address.text),
        ['10.0.0.1'],
      );
      assert.equal(leftOut.length, 1);
      assert.match(
        leftOut[0] ?? '',
        /^".*" \((?:an? .* address|the metadata service of a cloud|not an IP address).*\)$/,
      );
    });
  }

  it('parses slices of 10 endpoints, and never throws', () => {
    const input = writeSlice(
      'web',
      Array.from({ length: 10 }, (_, index) => ({ address: `10.0.0.${index + 1}`, nodeName: 'n1' })),
    );
    assert.equal(parseEndpointSlice(input).ok, true);
    fc.assert(fc.property(fc.anything(), (any) => void parseEndpointSlice(any)));
  });
});
