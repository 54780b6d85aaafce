import assert from 'node:assert/strict';
import { readIngressAnnotations } from '../../../../src/ingress/k8s-ingress/annotations.ts';
import { planPaths } from '../../../../src/ingress/k8s-ingress/paths.ts';

const backend = { kind: 'service', service: 'web', port: 80 } as const;

/** Plans a path: `=` before an exact one, `~` before an implementation-specific one. */
function plan(path: string, target: string | undefined, usesRegex: boolean): string {
  const annotations = {
    ...(usesRegex && { 'nginx.ingress.kubernetes.io/use-regex': 'true' }),
    ...(target !== undefined && { 'nginx.ingress.kubernetes.io/rewrite-target': target }),
  };
  const { settings } = readIngressAnnotations(annotations, 'shop');
  const type = path.startsWith('=') ? 'Exact' : path.startsWith('~') ? 'ImplementationSpecific' : 'Prefix';
  const plans = planPaths({ field: 'path', path: path.replace(/^[=~]/, ''), type, backend }, settings);
  return plans
    .map(({ match, rewrite, isUnservable }) => {
      const change = rewrite === undefined ? '' : ` > ${rewrite.type} ${rewrite.value}`;
      return `${isUnservable ? 'unservable ' : ''}${match.type} ${match.value}${change}`;
    })
    .join(', ');
}

describe('A path of an Ingress', () => {
  const literal: readonly (readonly [path: string, target: string | undefined, want: string])[] = [
    ['/', undefined, 'element /'],
    ['/foo/', undefined, 'element /foo/'],
    ['=/foo', undefined, 'exact /foo'],
    ['~/foo*', undefined, 'element /foo*'],
    ['/a b', undefined, 'unservable element /'],
    ['/a?b', undefined, 'unservable element /'],
    ['/foo', '/bar', 'element /foo > full /bar'],
    ['/foo', '/foo', 'element /foo'],
    ['/', '/', 'element /'],
    ['=/foo', '/', 'exact /foo > full /'],
    ['/foo', '/$1', 'unservable element /foo'],
  ];
  for (const [path, target, want] of literal) {
    it(`${path}${target === undefined ? '' : ` with target ${target}`} is ${want}`, () => {
      assert.equal(plan(path, target, false), want);
    });
  }

  const regular: readonly (readonly [path: string, target: string | undefined, want: string])[] = [
    ['~/foo', undefined, 'element /foo'],
    ['~/foo(/|$)(.*)', '/$2', 'element /foo > prefix /'],
    ['/foo(/|$)(.*)', '/bar/$2', 'element /foo > prefix /bar'],
    ['~/foo(/|$)(.*)', '/bar', 'element /foo > full /bar'],
    ['~/foo(/|$)(.*)', '/$1', 'unservable element /'],
    ['~/foo/(.*)', '/$1', 'prefix /foo/ > prefix /'],
    ['~/foo/?(.*)', '/$1', 'element /foo > prefix /'],
    ['~/foo(/.*)?', '$1', 'element /foo > prefix /'],
    ['~/foo(.*)', '/bar$1', 'element /foo > prefix /bar'],
    ['~/foo.*', undefined, 'element /foo'],
    ['~^/foo/.*$', undefined, 'prefix /foo/'],
    ['~/(.*)', '/$1', 'prefix /'],
    ['~/()(.*)', '/$2', 'prefix /'],
    ['~/(.*)', '/api/$1', 'prefix / > prefix /api'],
    ['~/index.php', undefined, 'element /index.php'],
    ['~/.well-known/(.*)', undefined, 'prefix /.well-known/'],
    ['~/foo/.$', undefined, 'unservable element /foo/'],
    ['~/foo/./?$', undefined, 'unservable element /foo/'],
    ['~/foo.(/|$)(.*)', undefined, 'unservable element /'],
    ['~/foo/bar(/|$)(.*)', '/foo/bar/$2', 'element /foo/bar'],
    ['~/a/b[0-9]+', undefined, 'unservable element /a/'],
    ['~/(api|admin)/(.*)', '/$2', 'prefix /api/ > prefix /, prefix /admin/ > prefix /'],
    ['~/(api|admin)(/|$)(.*)', '/$1/v1/$3', 'element /api > prefix /api/v1, element /admin > prefix /admin/v1'],
    ['~/(?:api|admin)(/|$)(.*)', '/$2', 'element /api > prefix /, element /admin > prefix /'],
    ['~/(a|b)/(x|y)', undefined, 'element /a/x, element /a/y, element /b/x, element /b/y'],
    ['/v1/(api)/?(.*)', '/$2', 'element /v1/api > prefix /'],
    ['~/(robots.txt|favicon.ico)', undefined, 'element /robots.txt, element /favicon.ico'],
    ['~/(api|b[0-9])', undefined, 'unservable element /'],
    ['~/(api|docs)?/x', undefined, 'unservable element /'],
    ['~/(api|docs)[0-9]', undefined, 'unservable element /'],
    ['~/(.)', undefined, 'unservable element /'],
    ['~/(api|docs)', '/$2', 'unservable element /'],
    [`~/(${Array.from({ length: 33 }, (_, index) => `p${index}`).join('|')})`, undefined, 'unservable element /'],
    ['~/grafana(?:/|$)(.*)', '/$1', 'element /grafana > prefix /'],
    ['~/app(?:/(.*))?', '/$1', 'element /app > prefix /'],
    ['~/app(/(.*))?$', '/new$1', 'element /app > prefix /new'],
    ['~/app(/(.*))?$', '/new/$2', 'element /app > prefix /new'],
    ['~/app/(?<rest>.*)', '/$1', 'prefix /app/ > prefix /'],
    ['~/app/*', undefined, 'element /app'],
    ['~/foo/.+', undefined, 'prefix /foo/'],
    ['~/foo/bar$', undefined, 'exact /foo/bar'],
    ['~^/foo/$', '/new', 'exact /foo/ > full /new'],
    ['~/$', undefined, 'exact /'],
    ['~/?$', undefined, 'exact /'],
    ['~/foo/?$', '/new', 'exact /foo > full /new, exact /foo/ > full /new'],
    ['~/foo(/)?$', undefined, 'exact /foo, exact /foo/'],
    ['~/(api|docs)$', undefined, 'exact /api, exact /docs'],
    ['~/foo$', '/$1', 'unservable element /'],
    ['~/v[0-9]/?$', undefined, 'unservable element /'],
    ['~foo$', undefined, 'unservable element /'],
    // The dot stands for any character, so no alternative is a literal path.
    ['~/users/.(a|b)$', undefined, 'unservable element /users/'],
    ['~/users/.(?:a|b)/x', undefined, 'unservable element /users/'],
    ['~/index.(php|html)$', undefined, 'exact /index.php, exact /index.html'],
    ['=/(api|docs)', undefined, 'exact /(api|docs)'],
    ['~.*\\.php$', undefined, 'unservable element /'],
    ['=/foo(.*)', undefined, 'exact /foo(.*)'],
  ];
  for (const [path, target, want] of regular) {
    it(`${path} as a regular expression${target === undefined ? '' : ` with target ${target}`} is ${want}`, () => {
      assert.equal(plan(path, target, true), want);
    });
  }

  it('covers what a dot at the end can match, for access rules', () => {
    const { settings } = readIngressAnnotations({ 'nginx.ingress.kubernetes.io/use-regex': 'true' }, 'shop');
    const covered = ['/foo/.$', '/foo.[a-z]', '/foo.php[a-z]'].map((path) =>
      planPaths({ field: 'path', path, type: 'ImplementationSpecific', backend }, settings).map(({ covers }) => covers),
    );
    assert.deepEqual(covered, [['/foo/'], ['/foo'], ['/foo.php']]);
  });
});
