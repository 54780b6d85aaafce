import { suggest } from '../../base/read/closest.ts';
import { lazily } from '../../base/read/lazily.ts';
import { haproxyPrefix, routerPrefix } from './annotation-reader.ts';
import { listHttpAnnotations } from './http-annotations.ts';
import { listPortAnnotations } from './port-annotations.ts';
import { defaultRouterNameKey } from './route.ts';

const getNames = lazily(
  (): ReadonlySet<string> => new Set([...listPortAnnotations(), ...listHttpAnnotations(), defaultRouterNameKey]),
);

/** Whether an annotation begins as those of routers do and is none that any data plane reads. */
export function isUnknownAnnotation(key: string): boolean {
  return (key.startsWith(haproxyPrefix) || key.startsWith(routerPrefix)) && !getNames().has(key);
}

/** `; did you mean "NAME"?` for a name that is close to a known annotation, or nothing. */
export function suggestAnnotation(key: string): string {
  return isUnknownAnnotation(key) ? suggest(key, getNames()) : '';
}
