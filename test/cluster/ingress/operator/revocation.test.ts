import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { places } from '../../../../src/ingress/operator/names.ts';
import { OpensslAuthority } from '../../../lab/openssl-authority.ts';
import { until } from '../../../until.ts';
import type { KubeObject } from '../../lab/api-server.ts';
import { OperatorLab, operatorPaths as paths, rolledOut } from '../../lab/operator-lab.ts';

/** An address that is neither loopback nor link-local, on this machine. */
const address = '10.99.0.1';

/** A proxy that no download uses: nothing listens there. */
const proxies = { HTTP_PROXY: `http://${address}:9`, http_proxy: `http://${address}:9`, NO_PROXY: '127.0.0.1' };

/** Where a pod finds the API server. */
const apiServer = '10.99.0.9';
const environment = { ...proxies, KUBERNETES_SERVICE_HOST: apiServer };

interface Pod {
  readonly containers: readonly {
    readonly env: readonly { readonly name: string; readonly value?: string }[];
    readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  }[];
  readonly volumes: readonly { readonly name: string; readonly configMap?: object }[];
}

describe('Revocation lists, by the compiled controller', function () {
  this.timeout(60_000);
  const lab = new OperatorLab();
  /** By path. Undefined: an error. A function: it answers later. */
  const lists = new Map<string, string | ((response: ServerResponse) => void)>();
  const server = createServer(({ url = '' }, response) => {
    const list = lists.get(url);
    if (typeof list === 'function') list(response);
    else if (list === undefined) response.writeHead(503).end();
    else response.end(list);
  });
  const authorities: OpensslAuthority[] = [];
  const plain = new OpensslAuthority('Plain');
  let root: OpensslAuthority;

  const clientTls = (name: string) => ({ clientTLS: { clientCertificatePolicy: 'Required', clientCA: { name } } });
  const bundle = (name: string, ...of: readonly OpensslAuthority[]): void => {
    const data = { 'ca-bundle.pem': of.map(({ certificate }) => certificate).join('') };
    lab.server.put(paths.configMaps, { metadata: { namespace: places.configuration, name, uid: name }, data });
  };
  const open = (name: string, path: string): OpensslAuthority => {
    const { port } = server.address() as AddressInfo;
    const authority = new OpensslAuthority(name, [`crlDistributionPoints=URI:http://${address}:${port}${path}`]);
    authorities.push(authority);
    return authority;
  };
  const stored = (name: string): string | undefined =>
    (lab.router('configMaps', `router-client-ca-crl-${name}`)?.data as { 'crl.pem': string } | undefined)?.['crl.pem'];
  const awaitStored = (name: string, test: (text: string | undefined) => boolean): Promise<void> =>
    until(
      () => test(stored(name)),
      () => [stored(name), lab.conditions(name), lab.program?.output],
      20_000,
    );
  const podOf = (deployment: KubeObject | undefined): Pod =>
    (deployment as KubeObject & { spec: { template: { spec: Pod } } }).spec.template.spec;
  const restart = async (): Promise<void> => {
    await lab.program?.end();
    lab.start([], undefined, environment);
  };

  before(async () => {
    execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
    server.listen(0, '0.0.0.0');
    await once(server, 'listening');
    root = open('Root', '/root.crl');
    root.issue('alice');
    await lab.up();
  });
  after(async () => {
    await lab.down();
    server.closeAllConnections();
    server.close();
    for (const authority of [...authorities, plain]) authority.remove();
    execFileSync('ip', ['address', 'del', `${address}/32`, 'dev', 'lo']);
  });

  it('are mounted, and renewed before they expire without a rollout, even while the object is refused', async () => {
    const signed: string[] = [];
    // Signed when it is asked for, so that it is valid for long enough on a slow machine.
    lists.set('/root.crl', (response) => {
      const list = root.list({ from: signed.length - 60, until: 12 + signed.length });
      signed.push(list);
      response.end(list);
    });
    bundle('clients', root);
    lab.put('a', clientTls('clients'));
    lab.start([], undefined, environment);
    await lab.awaitCondition('a', 'RevocationListsValid', 'True AsExpected');
    assert.equal(stored('a'), signed[0]);
    const deployment = await lab.awaitRouter('deployments', 'router-a');
    const { volumes, containers } = podOf(deployment);
    assert.deepEqual(volumes.find(({ name }) => name === 'client-ca-crl')?.configMap, {
      name: 'router-client-ca-crl-a',
      items: [{ key: 'crl.pem', path: 'crl.pem' }],
    });
    const mount = containers[0]?.volumeMounts.find(({ name }) => name === 'client-ca-crl');
    assert.equal(mount?.mountPath, '/etc/pki/tls/client-ca-crl');
    assert.equal(
      containers[0]?.env.find(({ name }) => name === 'ROUTER_MUTUAL_TLS_AUTH_CRL')?.value,
      '/etc/pki/tls/client-ca-crl/crl.pem',
    );
    assert.equal(lab.condition('a', 'FieldsIgnored'), undefined);
    // The router of an object that is refused now keeps its lists, too.
    lab.put('a', { clientTLS: { clientCertificatePolicy: 'Required' } });
    await lab.awaitCondition('a', 'Admitted', 'False Invalid');
    root.revoke('alice');
    await awaitStored('a', (text) => signed.length > 1 && text === signed.at(-1));
    assert.equal(lab.condition('a', 'RevocationListsValid')?.status, 'True');
    assert.equal(lab.condition('a', 'Admitted')?.status, 'False');
    lab.put('a', clientTls('clients'));
    await lab.awaitCondition('a', 'Admitted', 'True Valid');
    assert.deepEqual(podOf(lab.router('deployments', 'router-a')), podOf(deployment));
  });

  it('that expire are reported, and the router refuses all certificates of the authority', async () => {
    lab.roll('deployments', 'router-a', rolledOut);
    lists.delete('/root.crl');
    await lab.awaitCondition('a', 'RevocationListsValid', 'True DownloadFailed');
    const { message } = await lab.awaitCondition('a', 'RevocationListsValid', 'False ListMissing');
    assert.match(message, /authorities are refused .*: CN=Root: the list expired at /);
    await lab.awaitCondition('a', 'Degraded', 'True DegradedConditions');
    assert.match(lab.condition('a', 'Degraded')?.message ?? '', /RevocationListsValid=False/);
    assert.match(stored('a') ?? '', /^-----BEGIN X509 CRL-----\nMIGX/);
  });

  it('outlive a restart of the controller', async () => {
    const list = root.list();
    lists.set('/root.crl', list);
    await restart();
    await lab.awaitCondition('a', 'RevocationListsValid', 'True AsExpected');
    assert.equal(stored('a'), list);
    lists.delete('/root.crl');
    await restart();
    const { message } = await lab.awaitCondition('a', 'RevocationListsValid', 'True DownloadFailed');
    assert.match(
      message,
      /^CN=Root: the list is valid until .*: http:\/\/10\.99\.0\.1:\d+\/root\.crl: the server answered 503$/,
    );
    assert.equal(stored('a'), list);
  });

  it('delay a new router until the first download has ended, and only its clients are refused if it fails', async () => {
    const slow = open('Slow', '/slow.crl');
    const waiting: ServerResponse[] = [];
    lists.set('/slow.crl', (response) => void waiting.push(response));
    bundle('slow', slow);
    lab.put('b', clientTls('slow'));
    const { message } = await lab.awaitCondition('b', 'ConfigurationApplied', 'False RevocationListPending');
    assert.match(message, /first download: CN=Slow/);
    await until(
      () => waiting.length > 0,
      () => lab.program?.output,
      20_000,
    );
    assert.equal(lab.router('deployments', 'router-b'), undefined);
    assert.equal(lab.condition('b', 'RevocationListsValid'), undefined);
    // The list of another authority.
    waiting[0]?.end(root.list());
    await lab.awaitCondition('b', 'ConfigurationApplied', 'True AsExpected');
    await lab.awaitRouter('deployments', 'router-b');
    assert.match(lab.condition('b', 'RevocationListsValid')?.message ?? '', /CN=Slow: .*of another issuer/);
    assert.match(stored('b') ?? '', /^-----BEGIN X509 CRL-----\nMIGX/);
  });

  it('are not used with an authority that has none, and the status reports it', async () => {
    bundle('clients', root, plain);
    const { message } = await lab.awaitCondition('a', 'FieldsIgnored', 'True NoEffect');
    assert.match(message, /revoked client certificates are admitted until they expire: .* of CN=Plain, and HAProxy/);
    await awaitStored('a', (text) => text === undefined);
    await until(
      () => lab.condition('a', 'RevocationListsValid') === undefined,
      () => lab.conditions('a'),
      20_000,
    );
    const { volumes, containers } = podOf(lab.router('deployments', 'router-a'));
    assert.ok(!volumes.some(({ name }) => name === 'client-ca-crl'));
    assert.ok(!containers[0]?.env.some(({ name }) => name === 'ROUTER_MUTUAL_TLS_AUTH_CRL'));
  });

  it('on the node, its metadata service or the API server are not downloaded', async () => {
    const local = new OpensslAuthority('Local', [
      `crlDistributionPoints=URI:http://localhost/x,URI:http://169.254.169.254/latest/meta-data,URI:https://${apiServer}/version`,
    ]);
    authorities.push(local);
    bundle('local', local);
    lab.put('c', clientTls('local'));
    const { message } = await lab.awaitCondition('c', 'RevocationListsValid', 'False ListMissing');
    assert.match(message, /http:\/\/localhost\/x: the address \S+ is in \S+: .*loopback/);
    assert.match(message, /meta-data: the address 169\.254\.169\.254 is in 169\.254\.0\.0\/16: link-local/);
    assert.match(message, /version: the address 10\.99\.0\.9 is in the cluster's network 10\.99\.0\.9\/32/);
  });
});
