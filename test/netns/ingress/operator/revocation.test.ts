import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { checkList, readDownload } from '../../../../src/ingress/operator/crl/check.ts';
import { largestList } from '../../../../src/ingress/operator/crl/download.ts';
import { type ListIssuer, maxUrls, planRevocation } from '../../../../src/ingress/operator/crl/issuers.ts';
import { TestAuthority } from '../../../lab/certificates.ts';
import { derOf, type ListWords, OpensslAuthority, type opensslKeys } from '../../../lab/openssl-authority.ts';

const place = 'crlDistributionPoints=URI:http://crl.example.com/root.crl';

/** The only issuer of a bundle whose lists are used. */
function issuerOf(bundle: string): ListIssuer {
  const plan = planRevocation(bundle);
  assert.ok(plan.kind === 'used');
  const [issuer, ...others] = plan.issuers;
  assert.ok(issuer !== undefined && others.length === 0);
  return issuer;
}

describe('Revocation lists by openssl', function () {
  this.timeout(60_000);
  const authority = new OpensslAuthority('Root', [place]);
  const issuer = issuerOf(authority.certificate);
  const opened = [authority];
  const open = (...words: ConstructorParameters<typeof OpensslAuthority>): OpensslAuthority => {
    const one = new OpensslAuthority(...words);
    opened.push(one);
    return one;
  };
  after(() => {
    for (const one of opened) one.remove();
  });
  before(() => {
    authority.issue('alice');
    authority.revoke('alice');
  });

  for (const [key, digests] of [
    ['p256', ['sha256', 'sha384', 'sha512']],
    ['p384', ['sha384']],
    ['rsa', ['sha256', 'sha384', 'sha512']],
    ['ed25519', ['default']],
  ] as const satisfies readonly (readonly [keyof typeof opensslKeys, readonly string[]])[]) {
    it(`are accepted in PEM and DER with ${key} and ${digests.join(', ')}`, () => {
      const signer = open(`Signer ${key}`, [place], key);
      const known = issuerOf(signer.certificate);
      for (const digest of digests) {
        const pem = signer.list({ digest });
        for (const body of [Buffer.from(pem), derOf(pem)]) {
          const list = checkList(readDownload(body), known);
          assert.ok(list.nextUpdate > Date.now() + 3_500_000 && list.nextUpdate < Date.now() + 3_700_000);
        }
        const other = issuerOf(open(`Signer ${key}`, [place], key).certificate);
        assert.throws(() => checkList(readDownload(Buffer.from(pem)), other), /the signature is not of the authority/);
      }
    });
  }

  const refused: readonly (readonly [what: string, words: ListWords, message: RegExp])[] = [
    ['that expired', { from: -7200, until: -3600 }, /the list expired at \d{4}-/],
    ['of the future', { from: 600 }, /valid only from/],
    ['with SHA-1', { digest: 'sha1' }, /signature algorithm 1\.2\.840\.10045\.4\.1 is not supported/],
    ['with changes only', { extensions: ['2.5.29.27=critical,DER:02:01:01'] }, /delta/],
    [
      'of other issuers',
      { extensions: ['issuingDistributionPoint=critical,@i', '[i]', 'indirectCRL=TRUE'] },
      /indirect/,
    ],
    ['of users only', { extensions: ['issuingDistributionPoint=critical,@i', '[i]', 'onlyuser=TRUE'] }, /only some/],
    ['of CAs only', { extensions: ['issuingDistributionPoint=critical,@i', '[i]', 'onlyCA=TRUE'] }, /only some/],
    ['with an unknown critical extension', { extensions: ['1.2.3.4=critical,DER:05:00'] }, /1\.2\.3\.4/],
  ];
  for (const [what, words, message] of refused) {
    it(`${what} are refused`, () => {
      const list = readDownload(Buffer.from(authority.list(words)));
      assert.throws(() => checkList(list, issuer), message);
    });
  }
  it('with unknown extensions that are not critical, and of a named place, are accepted', () => {
    const extensions = [
      '1.2.3.4=DER:05:00',
      'issuingDistributionPoint=critical,@i',
      '[i]',
      'fullname=URI:http://a.test/',
    ];
    checkList(readDownload(Buffer.from(authority.list({ extensions }))), issuer);
  });

  it('are refused from an authority of another name, and from one that must not sign lists', () => {
    const list = readDownload(Buffer.from(authority.list()));
    assert.throws(() => checkList(list, issuerOf(open('Other', [place]).certificate)), /of another issuer/);
    const weak = open('Weak', [place, 'keyUsage=critical,keyCertSign']);
    assert.throws(
      () => checkList(readDownload(Buffer.from(weak.list())), issuerOf(weak.certificate)),
      /keyUsage of the authority lacks cRLSign/,
    );
    const strong = open('Strong', [place, 'keyUsage=critical,keyCertSign,cRLSign']);
    checkList(readDownload(Buffer.from(strong.list())), issuerOf(strong.certificate));
  });

  it('are refused when any octet is changed, missing or added', () => {
    const der = derOf(authority.list());
    checkList(readDownload(der), issuer);
    const isAccepted = (body: Buffer): boolean => {
      try {
        checkList(readDownload(body), issuer);
        return true;
      } catch (error) {
        assert.ok(error instanceof Error);
        assert.doesNotMatch(error.message, /undefined|Cannot read/);
        return false;
      }
    };
    for (let at = 0; at < der.length; at++) {
      for (const change of [0x01, 0x80]) {
        const changed = Buffer.from(der);
        changed[at] = (der[at] ?? 0) ^ change;
        assert.equal(isAccepted(changed), false, `octet ${at}`);
      }
      assert.equal(isAccepted(der.subarray(0, at)), false, `cut at ${at}`);
    }
    assert.equal(isAccepted(Buffer.concat([der, Buffer.from([0])])), false);
    const pem = authority.list();
    for (const text of ['', '<html>', pem + pem, authority.certificate])
      assert.equal(isAccepted(Buffer.from(text)), false);
  });

  it('are accepted with thousands of certificates, and refused when they consist of tiny values', () => {
    const busy = open('Busy', [place]);
    busy.revokeMany(5000);
    const body = Buffer.from(busy.list());
    assert.ok(body.length > 100_000 && body.length < largestList);
    checkList(readDownload(body), issuerOf(busy.certificate));
    const header = (tag: number, length: number): Buffer => {
      const bytes = Buffer.from([tag, 0x83, 0, 0, 0]);
      bytes.writeUIntBE(length, 2, 3);
      return bytes;
    };
    const tiny = Buffer.alloc(largestList - 10, Buffer.from([0x05, 0x00]));
    assert.throws(() => readDownload(Buffer.concat([header(0x30, tiny.length), tiny])), /too many values/);
    const inner = Buffer.concat([header(0x30, tiny.length), tiny]);
    const algorithm = Buffer.from([0x30, 0x00, 0x03, 0x01, 0x00]);
    const whole = Buffer.concat([header(0x30, inner.length + algorithm.length), inner, algorithm]);
    assert.throws(() => readDownload(whole), /too many values/);
  });

  it('are used only if every authority of the bundle has one over http or https', () => {
    const plain = open('Plain');
    const directory = open('Directory', ['crlDistributionPoints=URI:ldap://dc.example.com/cn=x']);
    const both = open('Both', [
      'crlDistributionPoints=URI:ldap://dc.example.com/cn=x,URI:http://a.example.com/,URI:https://b.example.com/',
    ]);
    assert.deepEqual(planRevocation(plain.certificate), { kind: 'none' });
    assert.deepEqual(issuerOf(both.certificate).urls, ['http://a.example.com/', 'https://b.example.com/']);
    const uncovered = (...bundle: readonly string[]): readonly string[] => {
      const plan = planRevocation(bundle.join('\n'));
      return plan.kind === 'unusable' ? plan.uncovered.map(({ title }) => title) : [plan.kind];
    };
    assert.deepEqual(uncovered(authority.certificate, plain.certificate), ['CN=Plain']);
    assert.deepEqual(uncovered(directory.certificate, authority.certificate), ['CN=Directory']);
    assert.deepEqual(uncovered(both.certificate, authority.certificate), ['used']);
    // The certificate of an intermediate authority names the list of the root.
    const constraints = 'basicConstraints=critical,CA:TRUE';
    const middle = plain.issue('Middle', [constraints, place]).cert;
    assert.deepEqual(uncovered(plain.certificate, middle), ['CN=Middle']);
    assert.deepEqual(uncovered(middle), ['CN=Middle']);
    // The certificate of a client names the list of the authority that issued it.
    assert.deepEqual(issuerOf(`${plain.certificate}${plain.issue('client', [place]).cert}`).urls, [
      'http://crl.example.com/root.crl',
    ]);
    // Clients of an expired authority are refused anyway.
    const expired = new TestAuthority('Expired', new Date(Date.now() - 1000)).certificate;
    assert.deepEqual(uncovered(authority.certificate, expired), ['used']);
  });

  it('are downloaded from a limited number of places, one of each authority first', () => {
    const uris = (index: number): string => `http://crl.example.com/${index}`;
    const many = Array.from(
      { length: maxUrls + 1 },
      (_, index) => new TestAuthority(`A${index}`, undefined, uris(index)),
    );
    const urls = (bundle: readonly { readonly certificate: string }[]) => {
      const plan = planRevocation(bundle.map(({ certificate }) => certificate).join('\n'));
      return plan.kind === 'used' ? plan.issuers.map((one) => one.urls.length) : plan.kind;
    };
    assert.deepEqual(urls(many), [...Array<number>(maxUrls).fill(1), 0]);
    const rich = open('Rich', [
      `crlDistributionPoints=${Array.from({ length: 20 }, (_, index) => `URI:${uris(index)}`).join(',')}`,
    ]);
    assert.deepEqual(urls([rich, ...many.slice(0, 2)]), [maxUrls - 2, 1, 1]);
  });
});
