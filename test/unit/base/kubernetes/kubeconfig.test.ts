import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { readKubeconfig } from '../../../../src/base/kubernetes/kubeconfig.ts';
import { readServiceAccount } from '../../../../src/base/kubernetes/service-account.ts';

describe('readKubeconfig', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'kubeconfig-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  function write(name: string, content: object | string): string {
    const path = join(folder, name);
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  }

  const config = (words: { cluster?: object; user?: object; more?: object } = {}): object => ({
    clusters: [{ name: 'c', cluster: { server: 'https://10.0.0.1:6443', ...words.cluster } }],
    users: [{ name: 'u', user: words.user ?? {} }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
    ...words.more,
  });

  it('reads cluster and user of the current context, with paths relative to the file', () => {
    const path = write(
      'a',
      config({ cluster: { 'certificate-authority': 'ca.crt' }, user: { tokenFile: 'tokens/t' } }),
    );
    const { server, authority, identity, isUnverified } = readKubeconfig(path);
    assert.deepEqual(
      [server.href, authority, identity.token, isUnverified],
      [
        'https://10.0.0.1:6443/',
        { kind: 'file', path: join(folder, 'ca.crt') },
        { kind: 'file', path: join(folder, 'tokens/t') },
        false,
      ],
    );
  });

  it('merges several files, in which the first value counts, and ignores a missing file', () => {
    const first = write('first', {
      'current-context': 'y',
      contexts: [{ name: 'y', context: { cluster: 'c', user: 'v' } }],
    });
    const second = write('second', config({ more: { users: [{ name: 'v', user: { token: 't' } }] } }));
    const { identity, server } = readKubeconfig([join(folder, 'none'), first, second].join(':'));
    assert.deepEqual([server.hostname, identity.token?.kind], ['10.0.0.1', 'data']);
  });

  it('needs no context if there is one cluster', () => {
    const path = write('plain', { clusters: [{ name: 'c', cluster: { server: 'http://127.0.0.1:8001' } }] });
    assert.deepEqual(readKubeconfig(path).identity, {});
  });

  it('impersonates a user', () => {
    const path = write(
      'as',
      config({ user: { as: 'jane', 'as-groups': ['dev', 'ops'], 'as-user-extra': { 'a/b': ['1'] } } }),
    );
    assert.deepEqual(readKubeconfig(path).identity.impersonation, {
      'Impersonate-User': 'jane',
      'Impersonate-Group': ['dev', 'ops'],
      'Impersonate-Extra-a%2Fb': ['1'],
    });
  });

  const mistakes: readonly (readonly [name: string, content: object | string, message: RegExp])[] = [
    ['no YAML', 'token: [secret', /^Cannot read kubeconfig .*: it is not YAML$/],
    ['no context', { clusters: [] }, /it has no current-context; set one with "kubectl config use-context"$/],
    ['a context that is not there', config({ more: { 'current-context': 'z' } }), /current-context "z" is not among/],
    ['a cluster that is not there', config({ more: { clusters: [] } }), /cluster "c" is not among its clusters$/],
    ['a user that is not there', config({ more: { users: [] } }), /user "u" is not among its users$/],
    [
      'a server that is not a URL',
      config({ cluster: { server: '10.0.0.1' } }),
      /server of clusters "c" .*: it is not a URL; write/,
    ],
    [
      'a SOCKS proxy',
      config({ cluster: { 'proxy-url': 'socks5://p:1' } }),
      /proxy-url .*: socks5 is not supported; write/,
    ],
    ['a token that is no text', config({ user: { token: 12345 } }), /users\.0\.user\.token: /],
    ['a key alone', config({ user: { 'client-key': 'k' } }), /it has a client key without its certificate$/],
    [
      'an old plugin',
      config({ user: { 'auth-provider': { name: 'gcp' } } }),
      /auth-provider was removed .* use an exec plugin$/,
    ],
    [
      'a plugin that needs a terminal',
      config({
        user: { exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'x', interactiveMode: 'Always' } },
      }),
      /interactiveMode Always requires a terminal/,
    ],
  ];
  for (const [name, content, message] of mistakes) {
    it(`rejects ${name} without repeating a secret`, () => {
      const path = write('bad', content);
      assert.throws(
        () => readKubeconfig(path),
        (error: Error) => message.test(error.message) && !/secret|12345/.test(error.message),
      );
    });
  }
});

describe('readServiceAccount', () => {
  it('names the missing file or variable', () => {
    assert.throws(
      () => readServiceAccount({}),
      /KUBERNETES_SERVICE_HOST is not set, .* name a kubeconfig with --kubeconfig$/,
    );
    assert.throws(
      () => readServiceAccount({ KUBERNETES_SERVICE_HOST: '10.0.0.1' }, '/nowhere'),
      /\/nowhere\/token does not exist; set automountServiceAccountToken or/,
    );
  });
});
