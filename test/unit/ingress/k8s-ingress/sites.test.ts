import assert from 'node:assert/strict';
import { defaultPolicy } from '../../../../src/ingress/claims/policy.ts';
import { IngressSites } from '../../../../src/ingress/k8s-ingress/sites.ts';
import { Inventory } from '../../../../src/ingress/objects/inventory.ts';
import { readObject } from '../../../../src/ingress/objects/kinds.ts';
import { route } from '../../../netns/ingress/http/objects.ts';
import { ingress, ingressClass } from '../../../netns/ingress/k8s-ingress/objects.ts';

/** A source with objects, and what it translates. */
class World {
  readonly inventory = new Inventory();
  readonly sites: IngressSites;
  readonly #journal = this.inventory.openJournal();
  #isFirst = true;

  constructor(ingressClassName?: string) {
    this.sites = new IngressSites(this.inventory, {
      ...defaultPolicy,
      ...(ingressClassName !== undefined && { ingressClass: ingressClassName }),
    });
  }

  put(...objects: readonly object[]): this {
    for (const object of objects) {
      const read = readObject(object);
      assert.ok('object' in read, JSON.stringify(read));
      this.inventory.put(read.object);
    }
    return this;
  }

  /** Returns the keys that may have changed. */
  changed(): readonly string[] {
    const changes = this.#journal.take();
    const keys = [...this.sites.listChanged(this.#isFirst ? undefined : changes)].sort();
    this.#isFirst = false;
    return keys;
  }

  /** Returns the hosts and paths of an Ingress with their shares: `a.test/x web:1`. */
  show(key: string): readonly string[] {
    return this.sites.translate(key).flatMap(({ host, span, demand }) => {
      if (!demand.ok) return [`${host ?? '*'} invalid`];
      const { matches, groups } = demand.value;
      const name = span === 'all' ? '*' : span === 'label' ? `*${host?.slice(3)}` : host;
      return matches.map(({ path, group }) => {
        const shares = groups[group]?.shares.map(({ service, weight }) => `${service}:${weight}`).join(' ');
        return `${name}${path.type === 'exact' ? '=' : ''}${path.value} ${shares}`;
      });
    });
  }
}

describe('Ingresses as a source', () => {
  const classes: readonly (readonly [name: string, objects: readonly object[], want: boolean])[] = [
    ['of the class', [ingressClass(), ingress('a', { 'a.test': { '/': 'web' } })], true],
    ['of a class that does not exist', [ingress('a', { 'a.test': { '/': 'web' } })], false],
    [
      'of a class of another controller',
      [{ ...ingressClass(), spec: { controller: 'x/y' } }, ingress('a', { 'a.test': { '/': 'web' } })],
      false,
    ],
    ['without a class', [ingressClass(), ingress('a', { 'a.test': { '/': 'web' } }, { className: null })], false],
    [
      'without a class, if the class is the default',
      [ingressClass('egress-router', true), ingress('a', { 'a.test': { '/': 'web' } }, { className: null })],
      true,
    ],
    [
      'without a class, if a newer class is the default',
      [
        ingressClass('egress-router', true),
        {
          ...ingressClass('newer', true),
          metadata: {
            ...(ingressClass('newer', true) as { metadata: object }).metadata,
            creationTimestamp: '2030-01-01T00:00:00Z',
          },
          spec: { controller: 'x/y' },
        },
        ingress('a', { 'a.test': { '/': 'web' } }, { className: null }),
      ],
      true,
    ],
  ];
  for (const [name, objects, want] of classes) {
    it(`are ${want ? '' : 'not '}served ${name}`, () => {
      const world = new World().put(...objects);
      world.changed();
      assert.equal(world.show('shop/a').length > 0, want);
    });
  }

  it('are served of one class only, if it is configured', () => {
    const world = new World('mine').put(
      ingressClass('mine'),
      ingressClass('other'),
      ingress('a', { 'a.test': { '/': 'web' } }, { className: 'mine' }),
      ingress('b', { 'b.test': { '/': 'web' } }, { className: 'other' }),
    );
    world.changed();
    assert.deepEqual([world.show('shop/a').length, world.show('shop/b').length], [1, 0]);
  });

  it('that OpenShift turned into Routes are served again when the last Route is deleted', () => {
    const made = (name: string): object => {
      const object = route(name, 'a.test') as { metadata: object };
      const owner = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name: 'a', uid: 'x', controller: true };
      return { ...object, metadata: { ...object.metadata, ownerReferences: [owner] } };
    };
    const world = new World().put(ingressClass(), ingress('a', { 'a.test': { '/': 'web' } }), made('r1'), made('r2'));
    world.changed();
    assert.deepEqual(world.show('shop/a'), []);
    world.inventory.remove('Route', 'shop/r1');
    assert.deepEqual(world.changed(), ['shop/a']);
    assert.deepEqual(world.show('shop/a'), []);
    world.inventory.remove('Route', 'shop/r2');
    assert.deepEqual(world.changed(), ['shop/a']);
    assert.deepEqual(world.show('shop/a'), ['a.test/ web:1']);
  });

  it('share hosts within their namespace: the oldest one owns a path until it is deleted', () => {
    const world = new World().put(
      ingressClass(),
      ingress('old', { 'a.test': { '/': 'web', '/x/': 'web' } }, { age: 1 }),
      ingress('young', { 'a.test': { '/x': 'other', '/y': 'other' } }, { age: 2 }),
      ingress('far', { 'a.test': { '/x': 'third' } }, { age: 3, namespace: 'bank' }),
      ingress('else', { 'b.test': { '/': 'web' } }, { age: 4 }),
    );
    world.changed();
    assert.deepEqual(world.show('shop/young'), ['a.test/y other:1']);
    assert.deepEqual(world.show('bank/far'), ['a.test/x third:1']);
    const [before] = world.sites.translate('shop/else');
    world.inventory.remove('Ingress', 'shop/old');
    assert.deepEqual(world.changed(), ['shop/old', 'shop/young']);
    assert.deepEqual(world.show('shop/young'), ['a.test/x other:1', 'a.test/y other:1']);
    assert.equal(
      world.sites.translate('shop/else')[0],
      before,
      'an Ingress that did not change is not translated again',
    );
  });

  it('name a rival in their findings', () => {
    const world = new World().put(
      ingressClass(),
      ingress('old', { 'a.test': { '/x': 'web' } }, { age: 1 }),
      ingress('young', { 'a.test': { '/x': 'other', '/y': 'other' } }, { age: 2 }),
    );
    world.changed();
    const [finding] = world.sites.explain('shop/young')?.findings ?? [];
    assert.equal(finding?.message, 'host a.test and path /x belong to the older Ingress old');
  });

  it('give a canary its share, and take it back', () => {
    const canary = (weight: string): object =>
      ingress(
        'canary',
        { 'a.test': { '/': 'next', '/none': 'next' } },
        {
          annotations: { canary: 'true', 'canary-weight': weight },
        },
      );
    const world = new World().put(
      ingressClass(),
      ingress('main', { 'a.test': { '/': 'web', '/x': 'web' } }),
      canary('20'),
    );
    world.changed();
    assert.deepEqual(world.show('shop/main'), ['a.test/ web:80 next:20', 'a.test/x web:1']);
    assert.deepEqual(world.show('shop/canary'), []);
    world.put(canary('100'));
    assert.deepEqual(world.changed(), ['shop/canary', 'shop/main']);
    assert.deepEqual(world.show('shop/main'), ['a.test/ web:0 next:100', 'a.test/x web:1']);
    world.inventory.remove('Ingress', 'shop/canary');
    world.changed();
    assert.deepEqual(world.show('shop/main'), ['a.test/ web:1', 'a.test/x web:1']);
  });

  it('request hosts and paths in every form', () => {
    const world = new World().put(
      ingressClass(),
      ingress(
        'a',
        { 'A.test': { '/x': 'web', '=/x': 'web' }, '*.b.test': { '/': 'web' }, '*': { '/y': 'web' } },
        {
          defaultBackend: 'rest',
        },
      ),
      ingress('alone', {}, { defaultBackend: 'rest', namespace: 'bank' }),
    );
    world.changed();
    assert.deepEqual(world.show('shop/a'), [
      'a.test/x web:1',
      'a.test=/x web:1',
      'a.test/ rest:1',
      '*.b.test/ web:1',
      '*/y web:1',
      '*/ rest:1',
    ]);
    assert.deepEqual(world.show('bank/alone'), ['*/ rest:1']);
  });

  it('have a label of its own for each host', () => {
    const hosts = ['all', '*', 'a.test', '*.a.test', 'any.a.test'];
    const rules = Object.fromEntries(hosts.map((host) => [host, { '/': 'web' }]));
    const world = new World().put(ingressClass(), ingress('a', rules));
    world.changed();
    const labels = world.sites.translate('shop/a').map(({ owner }) => owner.label);
    assert.deepEqual([labels.length, new Set(labels).size], [hosts.length, hosts.length]);
  });

  it('with an invalid spec request nothing, and say why', () => {
    const broken = ingress('a', { 'bad_host.test': { '/': 'web' } }) as { spec: object };
    const world = new World().put(ingressClass(), {
      ...broken,
      spec: { ...broken.spec, defaultBackend: { service: {} } },
    });
    world.changed();
    const [request] = world.sites.translate('shop/a');
    assert.ok(request !== undefined && !request.demand.ok);
    assert.deepEqual(
      request.demand.problems.map(({ path }) => path),
      ['spec.defaultBackend.service.name', 'spec.defaultBackend.service', 'spec.rules[0].host'],
    );
  });

  it('redirect to app-root before other paths, but not inside passthrough TLS', () => {
    for (const [passthrough, first] of [
      ['false', 'a.test=/ '],
      ['true', 'a.test/ web:1'],
    ] as const) {
      const annotations = { 'app-root': '/app', 'ssl-passthrough': passthrough };
      const world = new World().put(ingressClass(), ingress('a', { 'a.test': { '/': 'web' } }, { annotations }));
      world.changed();
      assert.equal(world.show('shop/a')[0], first);
    }
  });

  it('close all paths if one access rule cannot be enforced', () => {
    const world = new World().put(
      ingressClass(),
      ingress(
        'a',
        { 'a.test': { '/': 'web' }, 'b.test': { '/x': 'web' } },
        { annotations: { 'auth-url': 'http://x' } },
      ),
    );
    world.changed();
    const closed = world.sites.translate('shop/a').map(({ demand }) => demand.ok && demand.value.closed?.reason);
    assert.deepEqual(closed, ['AnnotationNotSupported', 'AnnotationNotSupported']);
  });
});
