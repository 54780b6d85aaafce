import { suggest } from '../../base/read/closest.ts';
import { lazily } from '../../base/read/lazily.ts';
import { haproxyPrefix, routerPrefix } from './annotation-reader.ts';
import { listHttpAnnotations } from './http-annotations.ts';
import { listPortAnnotations } from './port-annotations.ts';
import { defaultRouterNameKey } from './route.ts';

const getNames = lazily(
  (): ReadonlySet<string> => new Set([...listPortAnnotations(), ...listHttpAnnotations(), defaultRouterNameKey]),
);

/** Returns whether an annotation has a router's prefix but no data plane reads it. */
export function isUnknownAnnotation(key: string): boolean {
  return (key.startsWith(haproxyPrefix) || key.startsWith(routerPrefix)) && !getNames().has(key);
}

/** Returns `; did you mean "NAME"?` for a name close to a known annotation, otherwise an empty string. */
export function suggestAnnotation(key: string): string {
  return isUnknownAnnotation(key) ? suggest(key, getNames()) : '';
}
