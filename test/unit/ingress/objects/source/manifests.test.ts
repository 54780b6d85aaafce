import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterObject } from '../../../../../src/ingress/objects/kinds.ts';
import { nameOfObject, readManifestFile } from '../../../../../src/ingress/objects/source/manifest-file.ts';
import { ManifestSource } from '../../../../../src/ingress/objects/source/manifests.ts';
import { until } from '../../../../until.ts';
import { writeRoute, writeSlice } from '../../samples.ts';

/** Everything that a source told, as one state. */
class Recorder {
  readonly objects = new Map<string, ClusterObject>();
  readonly problems = new Map<string, string>();
  puts = 0;
  syncs = 0;

  put(object: ClusterObject): void {
    this.puts++;
    this.objects.set(nameOfObject(object), object);
  }

  remove(kind: string, key: string): void {
    this.objects.delete(`${kind} ${key}`);
  }

  synced(): void {
    this.syncs++;
  }

  report(place: string, problem: string | undefined): void {
    if (problem === undefined) this.problems.delete(place);
    else this.problems.set(place, problem);
  }

  get names(): readonly string[] {
    return [...this.objects.keys()].sort();
  }
}

const web = writeRoute({ name: 'web' });
const db = writeRoute({ name: 'db', port: 13307 });

describe('ManifestSource', () => {
  let folder: string;
  let source: ManifestSource;
  let told: Recorder;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'manifests-'));
    told = new Recorder();
    source = new ManifestSource({ directory: folder, rescanInterval: 60_000 });
  });

  afterEach(() => {
    source.close();
    rmSync(folder, { recursive: true });
  });

  function write(name: string, text: string): void {
    writeFileSync(join(folder, `.${name}.new`), text);
    renameSync(join(folder, `.${name}.new`), join(folder, name));
  }

  it('returns all objects of YAML and JSON, of several documents and of lists, and nothing else', () => {
    write('a.yaml', `---\n${JSON.stringify(web)}\n---\n# nothing\n---\nkind: Deployment\napiVersion: apps/v1\n`);
    write('b.json', JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [db] }));
    const { kind, apiVersion, ...item } = writeSlice('web', [{ address: '10.0.0.1' }]);
    write('c.yml', JSON.stringify({ apiVersion, kind: `${String(kind)}List`, items: [item] }));
    write('d.txt', 'kind: Route');
    write('.e.yaml', 'kind: Route');
    source.start(told);
    assert.deepEqual(told.names, ['EndpointSlice shop/web-1', 'Route shop/db', 'Route shop/web']);
    assert.deepEqual([told.syncs, told.problems.size], [1, 0]);
  });

  it('reports changed, added and deleted objects, and only the changed objects of a file', async () => {
    write('a.json', JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [web, db] }));
    source.start(told);
    const other = writeRoute({ name: 'db', port: 13308 });
    write('a.json', JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [web, other] }));
    await until(
      () => told.puts === 3,
      () => told.puts,
    );
    write('b.yaml', JSON.stringify(writeRoute({ name: 'new' })));
    await until(
      () => told.objects.size === 3,
      () => told.names,
    );
    rmSync(join(folder, 'a.json'));
    await until(
      () => told.objects.size === 1,
      () => told.names,
    );
    assert.deepEqual([told.names, told.puts], [['Route shop/new'], 4]);
  });

  it('handles every change in order', async () => {
    source.start(told);
    for (let count = 1; count <= 5; count++) {
      write('a.json', JSON.stringify(writeRoute({ port: 2000 + count })));
      await until(
        () => told.puts === count,
        () => told.puts,
      );
    }
    assert.equal(told.puts, 5);
  });

  const broken: readonly (readonly [name: string, text: string, problem: RegExp])[] = [
    ['bad YAML', 'kind: [', /^cannot be read; keeping its last valid state: line 1: /],
    ['bad JSON in YAML', '{"kind": "Route"', /keeping its last valid state: line 1: /],
    ['a double key', 'kind: Route\nkind: Route\n', /line 2: Map keys must be unique/],
    ['a list without items', 'kind: List\napiVersion: v1', /List: items must be a list/],
    [
      'a bomb of aliases',
      `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefgh'
        .split('')
        .map(
          (key, index) =>
            `${key}: &${key} [${Array(9)
              .fill(`*${'abcdefg'.charAt(index)}`)
              .join()}]`,
        )
        .join('\n')}`,
      /Excessive alias count/,
    ],
  ];
  for (const [name, text, problem] of broken) {
    it(`keeps the last valid state of a file with ${name}, and reports it until it is fixed`, async () => {
      write('a.yaml', JSON.stringify(web));
      write('b.yaml', JSON.stringify(db));
      source.start(told);
      write('a.yaml', text);
      await until(
        () => told.problems.size === 1,
        () => told.names,
      );
      assert.match(told.problems.get('a.yaml') ?? '', problem);
      assert.deepEqual(told.names, ['Route shop/db', 'Route shop/web']);
      write('a.yaml', JSON.stringify(writeRoute({ name: 'mended' })));
      await until(
        () => told.problems.size === 0,
        () => [...told.problems],
      );
      assert.deepEqual(told.names, ['Route shop/db', 'Route shop/mended']);
    });
  }

  const unreadable: readonly (readonly [name: string, object: object, problem: RegExp])[] = [
    ['an object without kind', { metadata: { name: 'x' } }, /^x: kind missing: must name kind and apiVersion/],
    [
      'a Route without a name',
      { kind: 'Route', apiVersion: 'route.openshift.io/v1', metadata: {} },
      /^Route: metadata.name missing: must be the name of the object/,
    ],
    [
      'a slice that is none',
      { ...writeSlice('x', []), ports: 7 },
      /^EndpointSlice x-1: ports 7: must be a list of ports/,
    ],
  ];
  for (const [name, object, problem] of unreadable) {
    it(`returns the other objects of a file with ${name}, even at the start`, () => {
      write('a.yaml', [object, web, db].map((one) => JSON.stringify(one)).join('\n---\n'));
      source.start(told);
      assert.deepEqual(told.names, ['Route shop/db', 'Route shop/web']);
      assert.match(told.problems.get('a.yaml (objects)') ?? '', problem);
    });
  }

  it('reports objects and endpoints that it ignores, and nothing about other objects', async () => {
    const slice = writeSlice('web', [{ address: '10.1.1.999' }, { address: '127.0.0.1' }, { address: '10.0.0.1' }]);
    const objects = [
      web,
      slice,
      { apiVersion: 'v1', kind: 'Route', metadata: { name: 'old' } },
      { apiVersion: 'template.openshift.io/v1', kind: 'Template', metadata: { name: 't' } },
      { apiVersion: 'v1', kind: 'Endpoints', metadata: { name: 'web' } },
      { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' } },
      { apiVersion: 'serving.knative.dev/v1', kind: 'Service', metadata: { name: 'k' } },
    ];
    write('a.yaml', objects.map((one) => JSON.stringify(one)).join('\n---\n'));
    source.start(told);
    assert.equal(
      told.problems.get('a.yaml (ignored)'),
      [
        'Route old: ignored: apiVersion v1 must be route.openshift.io/v1',
        'Template t: ignored: this router serves no Template; write the objects that "oc process" makes of it',
        'Endpoints web: ignored: this router serves no Endpoints; write an EndpointSlice (discovery.k8s.io/v1)',
        'EndpointSlice shop/web-1: ignored endpoints "10.1.1.999" (not an IP address), "127.0.0.1" (a loopback address)',
      ].join('; '),
    );
    assert.deepEqual([...told.problems.keys()], ['a.yaml (ignored)']);
    assert.deepEqual(told.names, ['EndpointSlice shop/web-1', 'Route shop/web']);
    write('a.yaml', JSON.stringify(web));
    await until(
      () => told.problems.size === 0,
      () => [...told.problems],
    );
  });

  it('keeps the last valid state of an object that becomes invalid', async () => {
    const slice = writeSlice('web', [{ address: '10.0.0.1' }]);
    write('a.yaml', [web, slice].map((one) => JSON.stringify(one)).join('\n---\n'));
    source.start(told);
    write(
      'a.yaml',
      [writeRoute({ name: 'new' }), { ...slice, ports: 7 }].map((one) => JSON.stringify(one)).join('\n---\n'),
    );
    await until(
      () => told.names.includes('Route shop/new'),
      () => told.names,
    );
    assert.deepEqual(told.names, ['EndpointSlice shop/web-1', 'Route shop/new']);
    assert.match(
      told.problems.get('a.yaml (objects)') ?? '',
      /ports 7: must be a list of ports; keeping its last valid state/,
    );
  });

  it('uses the first of two files with the same object, and reports it', () => {
    write('a.yaml', JSON.stringify(web));
    write('b.yaml', JSON.stringify(writeRoute({ name: 'web', port: 2000 })));
    source.start(told);
    assert.equal(told.objects.size, 1);
    assert.equal(
      told.problems.get('b.yaml (doubles)'),
      'Route shop/web already defined in another file; the first one counts',
    );
  });

  it('keeps its state while the directory is missing for a moment, and never syncs without one', () => {
    rmSync(folder, { recursive: true });
    source.start(told);
    assert.match(told.problems.get(folder) ?? '', /^cannot be listed; keeping its last state: ENOENT/);
    assert.equal(told.syncs, 0);
    folder = mkdtempSync(join(tmpdir(), 'manifests-'));
  });
});

describe('readManifestFile', () => {
  it('keeps the identity of unchanged objects', () => {
    const folder = mkdtempSync(join(tmpdir(), 'manifests-'));
    const path = join(folder, 'a.json');
    writeFileSync(path, JSON.stringify(web));
    const first = readManifestFile(path, undefined);
    const again = readManifestFile(path, first);
    assert.equal([...again.objects.values()][0], [...first.objects.values()][0]);
    rmSync(folder, { recursive: true });
  });
});

describe('ManifestSource after a restart', () => {
  let folder: string;
  let lastGood: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'manifests-'));
    lastGood = `${folder}.last-good`;
  });

  afterEach(() => {
    for (const one of [folder, lastGood]) rmSync(one, { recursive: true, force: true });
  });

  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);

  /** One life of a source, as it began. */
  function live(): Recorder {
    const told = new Recorder();
    const source = new ManifestSource({ directory: folder, rescanInterval: 60_000, lastGood });
    source.start(told);
    source.close();
    return told;
  }

  it('uses the last state of a file that is now invalid, and reports it', () => {
    write('a.json', JSON.stringify(web));
    write('b.json', JSON.stringify(db));
    live();
    write('a.json', '{ half');
    const told = live();
    assert.deepEqual(told.names, ['Route shop/db', 'Route shop/web']);
    assert.match(told.problems.get('a.json') ?? '', /^cannot be read; keeping its last valid state: /);
    // However often it starts.
    assert.deepEqual(live().names, ['Route shop/db', 'Route shop/web']);
  });

  it('uses the last state of one object that is now invalid, and the current state of the others', () => {
    write('a.json', JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [web, db] }));
    live();
    const broken = { ...web, metadata: { ...(web.metadata as object), labels: 5 } };
    const changed = writeRoute({ name: 'db', port: 13399 });
    write('a.json', JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [broken, changed] }));
    const told = live();
    assert.deepEqual(told.names, ['Route shop/db', 'Route shop/web']);
    const route = told.objects.get('Route shop/db');
    assert.deepEqual(route?.kind === 'Route' && route.value.ports?.demand.ok && route.value.ports.demand.value.ports, [
      { protocol: 'tcp', port: 13399 },
    ]);
    assert.match(told.problems.get('a.json (objects)') ?? '', /keeping its last valid state$/);
  });

  it('has nothing of a deleted file, and keeps no copy of it', () => {
    write('a.json', JSON.stringify(web));
    live();
    rmSync(join(folder, 'a.json'));
    assert.deepEqual(live().names, []);
    write('a.json', '{ half');
    assert.deepEqual(live().names, []);
  });

  it('keeps copies that no other user can read', () => {
    write('a.json', JSON.stringify(web));
    live();
    assert.equal(statSync(lastGood).mode & 0o777, 0o700);
    assert.equal(statSync(join(lastGood, 'a.json')).mode & 0o777, 0o600);
  });

  it('works without copies if they cannot be written, and reports it', () => {
    writeFileSync(lastGood, 'a file where the folder would be');
    write('a.json', JSON.stringify(web));
    assert.deepEqual(live().names, ['Route shop/web']);
  });
});
