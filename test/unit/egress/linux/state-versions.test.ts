import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { FileStateStore } from '../../../../src/egress/linux/state/state-store.ts';

/** Files as release 0.1.0 wrote them. */
const released = new URL('../../../testdata/states/0.1.0/', import.meta.url);
const id = { containerId: 'release-0.1.0', ifname: 'net1' };
const rival = { address: '192.168.12.99', mac: '02:00:00:00:00:01' };

type Document = Record<string, unknown>;

describe('state files of other versions', () => {
  let folder: string;
  let place: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'states-'));
    chmodSync(folder, 0o700);
    place = join(folder, 'release-0.1.0@net1.json');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const store = (): FileStateStore => new FileStateStore(folder, { tidies: true });
  const read = (): Document => JSON.parse(readFileSync(place, 'utf8')) as Document;
  const load = (name: string, edit: (document: Document) => void = () => undefined): Document => {
    const document = JSON.parse(readFileSync(new URL(name, released), 'utf8')) as Document;
    edit(document);
    writeFileSync(place, JSON.stringify(document), { mode: 0o600 });
    return document;
  };
  /** What the daemon does when it closes a router and opens it again. */
  const rewrite = (): void => {
    const known = store().find(id);
    assert.ok(known);
    store().save({ ...known, closed: rival });
    const { closed: _, ...open } = store().find(id) ?? assert.fail('it is gone');
    store().save(open);
  };

  for (const name of readdirSync(released)) {
    it(`are read as they are, and written so that the version that made them still reads them: ${name}`, () => {
      const document = load(name);
      assert.deepEqual(store().find(id), document);
      rewrite();
      assert.deepEqual(read(), document);
    });
  }

  it('keep what a later version added, at any place', () => {
    const document = load('dual-stack-nftables.json', (one) => {
      one.vni = 7;
      (one.netns as Document).cookie = 'x';
      (one.pod as Document).uid = 'u';
      (one.router as Document).pool = { name: 'p' };
      for (const key of ['addresses', 'oldDefaults', 'sysctls', 'podLinks'])
        for (const element of one[key] as Document[]) element.later = true;
    });
    rewrite();
    assert.deepEqual(read(), document);
  });

  it('keep what a later version wrote in a form that this one cannot read', () => {
    const document = load('dual-stack-nftables.json', (one) => {
      (one.router as Document).mode = 'ipvlan-l2';
      one.sysctls = { 'net/ipv4/ip_forward': '0' };
      one.vni = 7;
    });
    assert.equal(store().find(id)?.router, undefined);
    assert.deepEqual(store().find(id)?.addresses, document.addresses);
    rewrite();
    assert.deepEqual(read(), document);
  });

  it('of a later format are read as far as they go, and keep its number', () => {
    const document = load('dual-stack-nftables.json', (one) => {
      one.version = 2;
      one.vni = 7;
    });
    rewrite();
    assert.deepEqual(read(), document);
  });

  it('of a later format that cannot be read are not renamed, and what can be read serves a DEL', () => {
    const document = load('dual-stack-nftables.json', (one) => {
      one.version = 2;
      one.backend = 'bpf';
    });
    const own = store();
    assert.equal(own.find(id), undefined);
    assert.match(own.problems.join(), /a later version of this program wrote it in a form .*; update this one$/);
    assert.deepEqual(own.remains(id).oldDefaults, document.oldDefaults);
    own.list();
    assert.equal(own.problems.length, 1);
    assert.deepEqual(readdirSync(folder), ['release-0.1.0@net1.json']);
    assert.deepEqual(read(), document);
    own.remove(id);
    assert.deepEqual(readdirSync(folder), []);
  });
});
