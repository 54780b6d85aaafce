import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { parseNetConf } from '../../../../src/egress/api/net-conf.ts';
import { until } from '../../../until.ts';
import type { KubeObject } from '../../lab/api-server.ts';
import { clusterPaths as paths, ready } from '../../lab/cluster.ts';
import { ControllerLab, subjects, well } from '../../lab/controller-lab.ts';

for (const subject of subjects)
  describe(`The controller (${subject})`, () => {
    let lab: ControllerLab;
    beforeEach(async () => {
      lab = new ControllerLab(subject);
      await lab.up();
    });
    afterEach(() => lab.down());

    function expect(name: string, conditions: readonly string[] = well, longest?: number): Promise<void> {
      return until(
        () => lab.conditionsOf(name).join() === conditions.join(),
        () => [lab.conditionsOf(name), lab.messageOf(name, 'Degraded'), lab.server.requests.slice(-4)],
        longest,
      );
    }

    function deployment(name = 'egress-router-cni-deployment'): KubeObject | undefined {
      return lab.server.get(paths.deployments, `shop/${name}`);
    }

    it("creates OpenShift's objects for a router, owned by it, and reports when it is available", async () => {
      lab.putRouter('web');
      lab.start();
      await expect('web');
      assert.deepEqual(lab.names('definitions'), ['egress-router-cni-nad']);
      const { spec } = lab.server.get(paths.definitions, 'shop/egress-router-cni-nad') ?? { spec: undefined };
      const config = JSON.parse((spec as { config: string }).config);
      assert.deepEqual(config.clusterNetworks, ['10.128.0.0/14', '172.30.0.0/16']);
      assert.ok(parseNetConf(config).ok);
      // biome-ignore lint/suspicious/noExplicitAny: an object of Kubernetes
      const made = deployment() as any;
      assert.deepEqual(made.spec.selector.matchLabels, { app: 'egress-router-cni' });
      assert.equal(made.spec.strategy.type, 'Recreate');
      assert.equal(made.metadata.ownerReferences[0].uid, 'uid-web');
      const { annotations, labels } = made.spec.template.metadata;
      assert.equal(annotations['k8s.v1.cni.cncf.io/networks'], '[{"name":"egress-router-cni-nad"}]');
      assert.equal(labels['egress-router'], 'web');
      const pod = made.spec.template.spec;
      assert.equal(pod.automountServiceAccountToken, false);
      assert.deepEqual(
        pod.tolerations.map((one: { tolerationSeconds: number }) => one.tolerationSeconds),
        [30, 30],
      );
      assert.deepEqual(pod.readinessGates, [{ conditionType: 'egress-router.io/router-ready' }]);
      assert.equal(pod.containers[0].readinessProbe, undefined);
      const reasons = (): unknown[] => lab.server.all(paths.events).map(({ reason, type }) => [type, reason]);
      await until(() => reasons().join() === 'Normal,RouterReady', reasons);
    });

    it('passes the gateway and other settings to Multus if configured', async () => {
      lab.putRouter('web');
      lab.start({ hasDefaultRouteAnnotation: true, nodeSelector: { zone: 'a' }, ruleBackend: 'nftables' });
      await expect('web');
      const text = JSON.stringify(deployment());
      assert.match(text, /\\"default-route\\":\[\\"192.168.12.1\\"\]/);
      assert.match(text, /"nodeSelector":{"zone":"a"}/);
      assert.match(JSON.stringify(lab.server.all(paths.definitions)), /\\"ruleBackend\\":\\"nftables\\"/);
    });

    it('writes nothing without a change, and sends few requests', async () => {
      lab.putRouter('web');
      lab.start();
      await expect('web');
      await lab.settle();
      const { writes } = lab;
      assert.ok(writes <= 8, `${writes} writes for one router: ${lab.server.requests.join('\n')}`);
      const before = lab.server.requests.length;
      const requests = (): string[] => lab.server.requests.slice(before).filter((line) => !line.includes('/marker'));
      // The same again, as after a lost connection.
      lab.server.compact();
      lab.server.dropWatches();
      const watches = (): number => requests().filter((line) => line.includes('watch=')).length;
      await until(() => watches() >= 5, requests);
      await lab.settle();
      assert.equal(lab.writes, writes);
      assert.ok(requests().length < 30, requests().join('\n'));
    });

    it('renames the annotation of objects of an earlier version without touching their pods', async () => {
      lab.putRouter('web');
      const first = lab.start();
      await expect('web');
      first.stop();
      const pods = lab.names('pods');
      const places = [
        [paths.definitions, 'shop/egress-router-cni-nad'],
        [paths.deployments, 'shop/egress-router-cni-deployment'],
      ] as const;
      const annotationsOf = ([path, key]: (typeof places)[number]) =>
        lab.server.get(path, key)?.metadata.annotations as Record<string, string>;
      const template = JSON.stringify(deployment()?.spec);
      for (const place of places) {
        const annotations = { 'egress-router.io/applied': annotationsOf(place)['egress-router.io/manifest'] };
        const change = { metadata: { annotations: { ...annotations, 'egress-router.io/manifest': null } } };
        lab.server.edit(place[0], place[1], change, 'egress-router-controller');
      }
      lab.start();
      const names = () => places.map((place) => Object.keys(annotationsOf(place)).join());
      await until(() => names().every((name) => name === 'egress-router.io/manifest'), names, 6000);
      await expect('web');
      assert.deepEqual([lab.names('pods'), JSON.stringify(deployment()?.spec)], [pods, template]);
    });

    it('preserves conditions of other types', async () => {
      lab.putRouter('web');
      lab.start();
      await expect('web');
      await lab.settle();
      const router = lab.server.get(paths.routers, 'shop/web');
      assert.ok(router);
      const { conditions } = router.status as { conditions: object[] };
      const other = {
        type: 'Approved',
        status: 'True',
        reason: 'Audited',
        message: '',
        lastTransitionTime: '2026-01-01T00:00:00Z',
      };
      lab.server.put(paths.routers, {
        ...router,
        status: { ...(router.status as object), conditions: [other, ...conditions] },
      });
      const { writes } = lab;
      await lab.settle();
      assert.equal(lab.writes, writes, 'it was written again though it says what it is to say');
      lab.putRouter('web', {
        spec: { redirect: { redirectRules: [{ destinationIP: '203.0.113.9', port: 81, protocol: 'TCP' }] } },
      });
      await until(
        () => lab.generationsOf('web').filter((one) => one === 2).length === 3,
        () => [lab.generationsOf('web'), lab.conditionsOf('web')],
      );
      assert.ok(lab.conditionsOf('web').includes('Approved=True Audited'), lab.conditionsOf('web').join());
    });

    it('keeps the pod when a rule changes, and reports the new generation once it is applied', async () => {
      lab.putRouter('web');
      lab.start();
      await expect('web');
      const pods = lab.names('pods');
      lab.cluster.hasNodeDaemon = false;
      const rule = { destinationIP: '203.0.113.40', port: 9000, protocol: 'TCP' };
      lab.putRouter('web', { spec: { redirect: { redirectRules: [rule] } } });
      await until(
        () => lab.conditionsOf('web')[1] === 'Progressing=True ApplyingLive',
        () => lab.conditionsOf('web'),
      );
      assert.deepEqual(lab.generationsOf('web'), [1, 2, 2]);
      lab.cluster.hasNodeDaemon = true;
      lab.cluster.act();
      await expect('web');
      assert.deepEqual(lab.generationsOf('web'), [2, 2, 2]);
      assert.match(JSON.stringify(lab.server.all(paths.definitions)), /9000 TCP 203.0.113.40/);
      assert.deepEqual(lab.names('pods'), pods);
    });

    it('replaces the pod if no daemon answers, and never runs two at the same time', async () => {
      lab.cluster.hasNodeDaemon = false;
      lab.putRouter('web');
      lab.start();
      await expect('web');
      const [before] = lab.names('pods');
      lab.putRouter('web', { spec: { redirect: { fallbackIP: '203.0.113.41' } } });
      const isReplaced = (): boolean => lab.names('pods').length === 1 && lab.names('pods')[0] !== before;
      await until(
        () => isReplaced() && lab.conditionsOf('web').join() === well.join(),
        () => [lab.names('pods'), lab.conditionsOf('web')],
      );
      assert.deepEqual(lab.cluster.doubles, []);
    });

    it('replaces the pod at once when its address changes', async () => {
      lab.putRouter('web');
      lab.start();
      await expect('web');
      const [before] = lab.names('pods');
      lab.cluster.podStatus = (pod) => ready(pod, ['192.168.12.77']);
      lab.putRouter('web', { spec: { addresses: [{ ip: '192.168.12.77/24', gateway: '192.168.12.1' }] } });
      const isReplaced = (): boolean => lab.names('pods').length === 1 && lab.names('pods')[0] !== before;
      await until(
        () => isReplaced() && lab.conditionsOf('web').join() === well.join(),
        () => [lab.names('pods'), lab.conditionsOf('web')],
        900,
      );
      assert.deepEqual(lab.names('deployments'), ['egress-router-cni-deployment']);
      assert.deepEqual(lab.cluster.doubles, []);
    });

    it('reports what a node daemon could not apply, and keeps the pod', async () => {
      lab.putRouter('web');
      lab.start();
      await expect('web');
      lab.cluster.hasNodeDaemon = false;
      lab.putRouter('web', { spec: { redirect: { fallbackIP: '203.0.113.41' } } });
      await until(
        () => lab.conditionsOf('web')[1] === 'Progressing=True ApplyingLive',
        () => lab.conditionsOf('web'),
      );
      const { config = '' } = (lab.server.all(paths.definitions)[0]?.spec ?? {}) as { config?: string };
      const configuration = hash('sha256', config).slice(0, 16);
      const [pod] = lab.server.all(paths.pods);
      assert.ok(pod !== undefined);
      const refused = JSON.stringify({ configuration, message: 'Cannot install rules: no space' });
      const annotations = { ...(pod.metadata.annotations as object), 'egress-router.io/refused': refused };
      lab.server.put(paths.pods, { ...pod, metadata: { ...pod.metadata, annotations } });
      await until(
        () => lab.conditionsOf('web')[2] === 'Degraded=True LiveChangeFailed',
        () => lab.conditionsOf('web'),
      );
      assert.match(lab.messageOf('web', 'Degraded'), /^Cannot install rules: no space \(pod /);
      await new Promise((resolve) => setTimeout(resolve, 1200));
      assert.deepEqual(lab.names('pods'), [pod.metadata.name]);
    });

    it('leaves nothing of a deleted router, even during a change', async () => {
      lab.putRouter('web');
      lab.start();
      await expect('web');
      lab.putRouter('web', { spec: { redirect: { fallbackIP: '203.0.113.30' } } });
      lab.server.remove(paths.routers, 'shop/web');
      const left = (): string[] => [...lab.names('definitions'), ...lab.names('deployments'), ...lab.names('pods')];
      await until(() => left().length === 0, left);
      await lab.settle();
      assert.deepEqual(left(), []);
    });

    it('creates a router again that was deleted and recreated at once', async () => {
      lab.putRouter('web');
      lab.start();
      await expect('web');
      lab.server.remove(paths.routers, 'shop/web');
      lab.putRouter('web', { uid: 'another' });
      await expect('web');
      // biome-ignore lint/suspicious/noExplicitAny: an object of Kubernetes
      assert.equal((deployment() as any).metadata.ownerReferences[0].uid, 'another');
      assert.deepEqual(lab.names('deployments'), ['egress-router-cni-deployment']);
      assert.deepEqual(lab.cluster.doubles, []);
    }).timeout(8000);

    it('recreates a deleted Deployment once its pod has ended, and never runs two pods at the same time', async () => {
      lab.cluster.endTime = 300;
      lab.putRouter('web');
      lab.start();
      await expect('web');
      const [before] = lab.names('pods');
      lab.server.remove(paths.deployments, 'shop/egress-router-cni-deployment');
      await until(
        () => lab.conditionsOf('web')[1] === 'Progressing=True WaitingForPod',
        () => lab.conditionsOf('web'),
      );
      assert.deepEqual(lab.names('deployments'), []);
      await expect('web');
      assert.notDeepEqual(lab.names('pods'), [before]);
      assert.deepEqual(lab.cluster.doubles, []);
    }).timeout(8000);

    /** Another address than the documented one. */
    const other = (last: number): object => ({
      addresses: [{ ip: `192.168.12.${last}/24`, gateway: '192.168.12.1' }],
    });

    it('gives the second router of a namespace its own names, which it keeps when the first is deleted', async () => {
      lab.putRouter('old', { seconds: 1 });
      lab.putRouter('young', { seconds: 2, spec: other(100) });
      lab.cluster.podStatus = (pod) => ready(pod, ['192.168.12.99', '192.168.12.100', '192.168.12.101']);
      lab.start();
      await expect('old');
      await expect('young');
      assert.deepEqual(lab.names('deployments'), [
        'egress-router-cni-deployment',
        'egress-router-cni-deployment-young',
      ]);
      const pods = lab.server.all(paths.pods).map(({ metadata }) => metadata.labels as Record<string, string>);
      assert.deepEqual(pods.map((labels) => `${labels.app ?? ''} ${labels['egress-router']}`).sort(), [
        ' young',
        'egress-router-cni old',
      ]);
      const young = lab.server.all(paths.pods).find(({ metadata }) => metadata.name.includes('young'))?.metadata.uid;
      lab.server.remove(paths.routers, 'shop/old');
      lab.putRouter('third', { seconds: 3, spec: other(101) });
      await until(
        () => lab.names('deployments').length === 2 && lab.conditionsOf('third').join() === well.join(),
        () => [lab.names('deployments'), lab.conditionsOf('third')],
        6000,
      );
      assert.deepEqual(lab.names('deployments'), [
        'egress-router-cni-deployment',
        'egress-router-cni-deployment-young',
      ]);
      const still = lab.server.all(paths.pods).find(({ metadata }) => metadata.name.includes('young'))?.metadata.uid;
      assert.equal(still, young, 'the second router was restarted');
    }).timeout(10_000);

    it('does not take objects of the first router for a router named after its address', async () => {
      lab.cluster.podStatus = (pod) => ready(pod, ['192.168.12.99', '192.168.12.100', '192.168.12.101']);
      lab.putRouter('old', { seconds: 1 });
      lab.putRouter('192-168-12-100', { seconds: 2, spec: other(100) });
      lab.start();
      await expect('old');
      await expect('192-168-12-100');
      const before = lab.names('pods');
      lab.putRouter('third', { seconds: 3, spec: other(101) });
      await expect('third');
      assert.deepEqual(lab.names('deployments'), [
        'egress-router-cni-deployment',
        'egress-router-cni-deployment-192-168-12-100',
        'egress-router-cni-deployment-third',
      ]);
      const after = new Set(lab.names('pods'));
      assert.ok(
        before.every((name) => after.has(name)),
        'a router was restarted',
      );
    });

    it('rejects what the plugin would reject, with the same message, before any pod exists; keeps what runs', async () => {
      lab.putRouter('bad', { spec: { addresses: [{ ip: '192.168.12.99/24', gateway: '192.168.13.1' }] } });
      lab.start();
      const refused = ['Available=False InvalidSpec', 'Progressing=False InvalidSpec', 'Degraded=True InvalidSpec'];
      await expect('bad', refused);
      assert.match(lab.messageOf('bad', 'Degraded'), /^spec\.addresses\[0\]\.gateway "192\.168\.13\.1": /);
      assert.deepEqual([lab.names('definitions'), lab.names('pods')], [[], []]);
      lab.putRouter('bad');
      await expect('bad');
      lab.putRouter('bad', { spec: { addresses: [] } });
      await expect('bad', ['Available=True RouterReady', 'Progressing=False InvalidSpec', 'Degraded=True InvalidSpec']);
      assert.equal(lab.names('pods').length, 1);
      const warnings = (): unknown[] =>
        lab.server.all(paths.events).flatMap(({ type, reason }) => (type === 'Warning' ? [reason] : []));
      await until(() => warnings().join() === 'InvalidSpec,InvalidSpec', warnings);
    });

    it('does not touch an object of another owner with its name, and continues when that is deleted', async () => {
      lab.server.put(paths.deployments, {
        metadata: { namespace: 'shop', name: 'egress-router-cni-deployment', uid: 'theirs' },
        spec: {
          selector: { matchLabels: {} },
          template: { metadata: { labels: {}, annotations: { 'k8s.v1.cni.cncf.io/networks': '[]' } }, spec: {} },
        },
      });
      lab.putRouter('web');
      const first = lab.start();
      await until(
        () => lab.conditionsOf('web')[2] === 'Degraded=True NameTaken',
        () => lab.conditionsOf('web'),
      );
      assert.match(lab.messageOf('web', 'Degraded'), /^Deployment egress-router-cni-deployment exists .* delete it/);
      assert.equal(deployment()?.metadata.uid, 'theirs');
      lab.server.remove(paths.deployments, 'shop/egress-router-cni-deployment');
      // It looks again by itself, after a while; a controller that starts looks at once.
      first.stop();
      lab.start();
      await expect('web');
    }).timeout(8000);

    it('does not fight over a field of another field manager', async () => {
      lab.putRouter('web');
      lab.start();
      await expect('web');
      lab.server.edit(paths.deployments, 'shop/egress-router-cni-deployment', { spec: { replicas: 3 } });
      await until(
        () => lab.conditionsOf('web')[2] === 'Degraded=True Conflict',
        () => lab.conditionsOf('web'),
      );
      assert.match(lab.messageOf('web', 'Degraded'), /kubectl-edit.*\.spec\.replicas/);
      const { writes } = lab;
      await new Promise((resolve) => setTimeout(resolve, 500));
      assert.ok(lab.writes <= writes + 1, `it goes on writing: ${lab.server.requests.slice(-6).join(', ')}`);
      // biome-ignore lint/suspicious/noExplicitAny: an object of Kubernetes
      assert.equal((deployment() as any).spec.replicas, 3);
      lab.server.edit(paths.deployments, 'shop/egress-router-cni-deployment', { spec: { replicas: 1 } });
      await expect('web');
    });

    it('restores deleted objects', async () => {
      lab.putRouter('web');
      lab.start();
      await expect('web');
      lab.server.remove(paths.definitions, 'shop/egress-router-cni-nad');
      await until(
        () => lab.names('definitions').length === 1,
        () => lab.names('definitions'),
      );
    });

    const troubles = [
      {
        name: 'a pod without net1',
        status: { conditions: [{ type: 'Ready', status: 'True' }] },
        reason: 'InterfaceMissing',
      },
      {
        name: 'a pod that is not ready',
        status: { conditions: [{ type: 'Ready', status: 'False' }] },
        reason: 'PodNotReady',
      },
    ] as const;
    for (const { name, status, reason } of troubles) {
      it(`is not available with ${name}`, async () => {
        lab.cluster.podStatus = () => ({ status, annotations: {} });
        lab.putRouter('web');
        lab.start();
        await until(
          () => lab.conditionsOf('web')[0] === `Available=False ${reason}`,
          () => lab.conditionsOf('web'),
        );
      });
    }

    const running = { phase: 'Running', conditions: [{ type: 'Ready', status: 'False' }] };
    const readyNow = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
    const otherNetworks = { 'k8s.v1.cni.cncf.io/network-status': '[{"name":"cluster","interface":"eth0"}]' };
    for (const [what, status, annotations, reason, message] of [
      ['runs and is not ready', running, {}, 'MultusMissing', /runs without net1, because Multus did not handle it/],
      ['is ready', readyNow, {}, 'MultusMissing', /install Multus on node node-1/],
      ['is ready on a node whose Multus made other networks', readyNow, otherNetworks, 'InterfaceMissing', /no net1/],
    ] as const) {
      it(`is degraded where Multus made no net1, though the pod ${what}`, async () => {
        lab.cluster.podStatus = () => ({ status, annotations });
        lab.putRouter('web');
        lab.start();
        await until(
          () => lab.conditionsOf('web')[2] === `Degraded=True ${reason}`,
          () => [lab.conditionsOf('web'), lab.messageOf('web', 'Degraded')],
        );
        assert.match(lab.messageOf('web', 'Degraded'), message);
        assert.match(lab.conditionsOf('web')[0] ?? '', /^Available=False/);
        lab.cluster.podStatus = (pod) => ready(pod);
        lab.server.end?.(paths.pods, `shop/${lab.names('pods')[0]}`, 1);
        await expect('web');
      });
    }

    it('says that Multus is missing when its API goes away, and leaves the router running', async () => {
      lab.putRouter('web');
      lab.start();
      await expect('web');
      const pods = lab.names('pods');
      const [definition] = lab.server.all(paths.definitions);
      lab.server.removeCollection(paths.definitions);
      await until(
        () => lab.conditionsOf('web')[2] === 'Degraded=True MultusMissing',
        () => [lab.conditionsOf('web'), lab.server.requests.slice(-3)],
        6000,
      );
      assert.deepEqual(lab.names('pods'), pods);
      lab.server.addCollection(paths.definitions);
      if (definition !== undefined) lab.server.put(paths.definitions, definition);
      await expect('web', well, 15_000);
      assert.deepEqual(lab.names('pods'), pods);
    }).timeout(30_000);

    it('is not available with another address than the reserved one', async () => {
      lab.cluster.podStatus = (pod) => ready(pod, ['192.168.12.98']);
      lab.putRouter('web');
      lab.start();
      await until(
        () => lab.conditionsOf('web')[0] === 'Available=False AddressMissing',
        () => lab.conditionsOf('web'),
      );
    });

    it('shows the messages of the plugin and the probe for a pod that does not start', async () => {
      lab.cluster.podStatus = (pod) => {
        lab.server.put(paths.events, {
          metadata: { namespace: 'shop', name: 'e1' },
          involvedObject: { uid: pod.metadata.uid },
          reason: 'FailedCreatePodSandBox',
          message: 'plugin type="egress-router" failed (add): master "eth7" does not exist',
          lastTimestamp: '2026-01-01T00:00:00Z',
        });
        return { status: { conditions: [{ type: 'Ready', status: 'False' }] }, annotations: {} };
      };
      lab.putRouter('web');
      lab.start();
      await until(
        () => lab.messageOf('web', 'Degraded').includes('master "eth7" does not exist'),
        () => [lab.conditionsOf('web'), lab.messageOf('web', 'Degraded')],
      );
      assert.deepEqual(lab.conditionsOf('web')[2], 'Degraded=True PodFailing');
    });

    it('recreates an object that was deleted before the watch delivered its creation', async () => {
      lab.putRouter('web');
      lab.server.fail({ on: /PATCH .*deployments/, answer: 'late' });
      lab.start();
      await until(
        () => lab.names('deployments').length === 1,
        () => lab.server.requests,
      );
      lab.server.remove(paths.deployments, 'shop/egress-router-cni-deployment');
      await expect('web');
      assert.equal(lab.names('deployments').length, 1);
    });

    it('follows a spec that changed before the watch delivered the written status', async () => {
      lab.putRouter('web');
      lab.start();
      await expect('web');
      lab.server.fail({ on: /PATCH .*status/, answer: 'late' });
      const [pod] = lab.server.all(paths.pods);
      lab.server.put(paths.pods, { ...(pod as KubeObject), status: { conditions: [] } });
      await until(
        () => lab.conditionsOf('web')[0] !== well[0],
        () => lab.conditionsOf('web'),
      );
      lab.cluster.podStatus = (made) => ready(made, ['192.168.12.77']);
      lab.putRouter('web', { spec: { addresses: [{ ip: '192.168.12.77/24', gateway: '192.168.12.1' }] } });
      await until(
        () => lab.generationsOf('web').join() === '2,2,2',
        () => [lab.conditionsOf('web'), lab.generationsOf('web')],
      );
    });

    it('creates nothing for a router that was deleted before the watch delivered its status', async () => {
      lab.putRouter('web');
      lab.start();
      await expect('web');
      lab.server.fail({ on: /PATCH .*status/, answer: 'late' });
      const [pod] = lab.server.all(paths.pods);
      lab.server.put(paths.pods, { ...(pod as KubeObject), status: { conditions: [] } });
      await until(
        () => lab.conditionsOf('web')[0] !== well[0],
        () => lab.conditionsOf('web'),
      );
      lab.server.remove(paths.routers, 'shop/web');
      await until(
        () => lab.names('deployments').length === 0,
        () => lab.names('deployments'),
      );
      await lab.settle();
      assert.deepEqual([lab.names('deployments'), lab.names('pods')], [[], []]);
      const { writes } = lab;
      await lab.settle();
      assert.equal(lab.writes, writes, 'it still writes');
    });

    it('reports why no pod can be created', async () => {
      lab.cluster.refusal = 'pods "egress-router-cni-deployment-6d4cf-x" is forbidden: exceeded quota: compute';
      lab.putRouter('web');
      lab.start();
      await until(
        () => lab.messageOf('web', 'Degraded').includes('exceeded quota: compute'),
        () => [lab.conditionsOf('web'), lab.messageOf('web', 'Degraded')],
      );
      assert.deepEqual(lab.conditionsOf('web'), [
        'Available=False PodRefused',
        'Progressing=True Starting',
        'Degraded=True PodRefused',
      ]);
      assert.match(lab.messageOf('web', 'Available'), /exceeded quota: compute/);
      lab.cluster.refusal = undefined;
      lab.cluster.act();
      await expect('web');
    });

    it('continues with all others if one router is invalid', async () => {
      lab.putRouter('web');
      lab.server.put(paths.routers, { metadata: { namespace: 'shop', name: 'Bad;Name', uid: 'b' } });
      lab.server.put(paths.routers, {
        metadata: { namespace: 'shop', name: 'odd', uid: 'o' },
        spec: ['x'],
        status: 'x',
      } as unknown as KubeObject);
      lab.start();
      await expect('web');
      await until(
        () => lab.conditionsOf('odd')[2] === 'Degraded=True InvalidSpec',
        () => lab.conditionsOf('odd'),
      );
    });

    it('is active in one process at a time, and the next one takes over', async () => {
      lab.putRouter('web');
      const first = lab.start();
      await until(
        () => first.isLeading,
        () => 'no lease',
      );
      const second = lab.start();
      await expect('web');
      assert.equal(second.isLeading, false);
      first.stop();
      lab.putRouter('web', { spec: { redirect: { fallbackIP: '203.0.113.31' } } });
      await until(
        () => JSON.stringify(lab.server.all(paths.definitions)).includes('203.0.113.31'),
        () => lab.server.all(paths.definitions),
      );
      assert.deepEqual(lab.cluster.doubles, []);
    }).timeout(8000);

    for (const answer of [409, 429, 500, 503, 'cut'] as const) {
      it(`reaches the same state if each request in turn is answered by ${answer}`, async () => {
        for (const on of [
          /PATCH .*network-attachment/,
          /PATCH .*deployments/,
          /PATCH .*status/,
          /GET .*deployments\//,
          /POST .*events/,
          /watch=true/,
        ]) {
          lab.server.fail({ on, answer });
        }
        lab.putRouter('web');
        lab.start();
        await until(
          () => lab.conditionsOf('web').join() === well.join() && lab.names('pods').length === 1,
          () => [lab.conditionsOf('web'), lab.messageOf('web', 'Degraded'), lab.server.requests.slice(-5)],
          25_000,
        );
        assert.deepEqual(lab.cluster.doubles, []);
      }).timeout(40_000);
    }

    it('lists again after 410 without losing anything', async () => {
      lab.putRouter('web');
      lab.start();
      await expect('web');
      lab.server.dropWatches();
      lab.putRouter('web', { spec: { redirect: { fallbackIP: '203.0.113.33' } } });
      lab.server.compact();
      await until(
        () => JSON.stringify(lab.server.all(paths.definitions)).includes('203.0.113.33'),
        () => lab.server.requests.slice(-5),
      );
    });

    it('reports that Multus is missing, and continues when it is installed', async () => {
      await lab.down();
      lab = new ControllerLab(
        subject,
        Object.values(paths).filter((path) => path !== paths.definitions),
      );
      await lab.up();
      lab.putRouter('web');
      lab.start();
      await until(
        () => lab.conditionsOf('web')[2] === 'Degraded=True MultusMissing',
        () => [lab.conditionsOf('web'), lab.server.requests.slice(-3)],
      );
      lab.server.addCollection(paths.definitions);
      // Ten seconds, and what it takes to make a router.
      await expect('web', well, 11_000);
    });
  });
