import { clusterNames } from '../../../../src/base/kubernetes/names.ts';
import { gatewayGroup } from '../../../../src/ingress/gateway/parts.ts';
import type { KubeObject } from '../../lab/api-server.ts';
import type { ConditionWords, ListenerWords, Step } from './expectations.ts';
import type { GatewayLab } from './gateway-lab.ts';
import { usable } from './values.ts';

// biome-ignore lint/suspicious/noExplicitAny: a status is whatever was written
type Any = any;

/** Returns what a status lacks of a step, or undefined if it holds. */
export function checkStatus(lab: GatewayLab, step: Step, generationBefore: number | undefined): string | undefined {
  const { kind = 'Gateway', object = step.gateway } = step;
  const seen = object === undefined ? undefined : lab.get(kind, object as string);
  switch (step.check) {
    case 'gatewayAndRoutesAccepted':
      return checkAccepted(lab, step);
    case 'routesAndParentAccepted':
      return checkRoutesAndParent(lab, step);
    case 'condition':
      return seen === undefined ? 'no such object' : checkCondition(seen, step);
    case 'parents':
      return checkParents(seen, step);
    case 'noAcceptedParents': {
      // The suite also accepts a status that stays empty. A user would not learn why the route serves nothing.
      const parents = parentsOf(seen);
      const isGood = parents.length === 1 && findMissing(parents[0].conditions, refused) === undefined;
      return isGood && isCurrent(seen) ? undefined : `parents ${JSON.stringify(parents)}`;
    }
    case 'zeroAttachedRoutes': {
      const listeners = (seen?.status as Any)?.listeners ?? [];
      const isGood =
        isCurrent(seen) && (listeners.length === 0 || (listeners.length === 1 && listeners[0].attachedRoutes === 0));
      return isGood ? undefined : JSON.stringify(seen?.status);
    }
    case 'listeners':
      return isCurrent(seen)
        ? checkListeners(seen, (step.listeners ?? []) as readonly ListenerWords[])
        : 'conditions are not current';
    case 'listenerConditions':
      return checkListenerConditions(seen, step);
    case 'attachedListenerSets': {
      const { attachedListenerSets: count = 0 } = (seen?.status ?? {}) as Any;
      return count === step.count ? undefined : `${count} attached ListenerSets`;
    }
    case 'observedGenerationLatest':
      return isCurrent(seen) ? undefined : JSON.stringify(seen?.status);
    case 'statusAddresses': {
      const found = ((seen?.status as Any)?.addresses ?? []) as readonly Any[];
      const isGood = found.length === 1 && found[0].value === usable && found[0].type === 'IPAddress';
      return isGood ? undefined : JSON.stringify(found);
    }
    case 'addressAssigned': {
      const isGood = isCurrent(seen) && (seen?.status as Any)?.addresses?.length > 0;
      return isGood ? undefined : JSON.stringify(seen?.status);
    }
    case 'generationGrew':
      return seen?.metadata.generation === generationBefore ? 'the generation is the same' : undefined;
    default:
      throw new Error(`Unknown check ${step.check}`);
  }
}

const controllerName = clusterNames.gatewayController;

const refused: ConditionWords = { type: 'Accepted', status: 'False' };
const accepted: ConditionWords = { type: 'Accepted', status: 'True', reason: 'Accepted' };

/** Returns why a namespace is not ready, or undefined if every Gateway in it is served. */
export function checkNamespaces(lab: GatewayLab, namespaces: readonly string[]): string | undefined {
  for (const one of lab.all('Gateway')) {
    const { namespace = '', annotations, name } = one.metadata;
    if (!namespaces.includes(namespace)) continue;
    if ((annotations as Any)?.['gateway-api/skip-this-for-readiness'] === 'true') continue;
    const { conditions } = (one.status ?? {}) as Any;
    const missing = ['Accepted', 'Programmed'].flatMap(
      (type) => findMissing(conditions, { type, status: 'True' }) ?? [],
    );
    if (missing.length > 0 || !isCurrent(one)) return `Gateway ${name}: ${JSON.stringify(conditions)}`;
  }
  return undefined;
}

/** Whether every condition of an object describes its newest generation. */
function isCurrent(object: KubeObject | undefined): boolean {
  const status = object?.status as Any;
  const entries = status?.parents ?? status?.ancestors;
  const lists = entries?.map((one: Any) => one.conditions) ?? [status?.conditions];
  if (lists.length === 0) return false;
  return lists.every(
    (conditions: Any) =>
      Array.isArray(conditions) &&
      conditions.length > 0 &&
      conditions.every((one) => one.observedGeneration === object?.metadata.generation),
  );
}

function findMissing(conditions: Any, { type, status, reason }: ConditionWords): string | undefined {
  const found = (conditions ?? []).some(
    (one: Any) =>
      one.type === type &&
      (status === undefined || one.status === status) &&
      (reason === undefined || one.reason === reason),
  );
  return found ? undefined : `${type} ${status} ${reason ?? ''} in ${JSON.stringify(conditions)}`;
}

function parentsOf(object: KubeObject | undefined): readonly Any[] {
  return (object?.status as Any)?.parents ?? [];
}

function checkAccepted(lab: GatewayLab, step: Step): string | undefined {
  const { gateway = '' } = step;
  const found = lab.get('Gateway', gateway);
  const status = found?.status as Any;
  if (!isCurrent(found) || !status.addresses?.some((one: Any) => one.type !== undefined)) {
    return `Gateway ${gateway}: ${JSON.stringify(status)}`;
  }
  return checkRoutesAndParent(lab, { ...step, parentKind: 'Gateway', parent: gateway });
}

function checkRoutesAndParent(lab: GatewayLab, step: Step): string | undefined {
  const { parentKind = 'Gateway', parent: parentName = '', routeKind = '', routes = [] } = step;
  const status = lab.get(parentKind, parentName)?.status as Any;
  for (const key of routes) {
    const route = lab.get(routeKind, key);
    const parent = findParent(route, parentName, parentKind);
    const missing = parent === undefined ? 'no parent' : findMissing(parent.conditions, accepted);
    if (missing !== undefined || !isCurrent(route))
      return `${routeKind} ${key}: ${missing} ${JSON.stringify(route?.status)}`;
  }
  if (routeKind === 'TLSRoute') return undefined;
  for (const { name, conditions } of status?.listeners ?? []) {
    for (const type of ['ResolvedRefs', 'Accepted', 'Programmed']) {
      const missing = findMissing(conditions, { type, status: 'True' });
      if (missing !== undefined) return `listener ${name}: ${missing}`;
    }
  }
  return undefined;
}

/** The entry of a route for a Gateway or ListenerSet, `NAMESPACE/NAME`. */
function findParent(route: KubeObject | undefined, gateway: string, kind?: string): Any {
  const [namespace, name] = gateway.split('/');
  const found = parentsOf(route).filter(
    ({ controllerName: owner, parentRef }) =>
      owner === controllerName &&
      parentRef.group === gatewayGroup &&
      (kind === undefined || parentRef.kind === kind) &&
      parentRef.name === name &&
      (parentRef.namespace ?? route?.metadata.namespace) === namespace,
  );
  // Without a kind, a Gateway and a ListenerSet of one name look the same.
  return found.every(({ parentRef }) => parentRef.kind === found[0].parentRef.kind) ? found[0] : undefined;
}

/** The entry of a policy for a Gateway, `NAMESPACE/NAME`. */
function findAncestor(policy: KubeObject, gateway: string): Any {
  const [namespace, name] = gateway.split('/');
  return (policy.status as Any)?.ancestors?.find(
    ({ controllerName: owner, ancestorRef }: Any) =>
      owner === controllerName &&
      ancestorRef.group === gatewayGroup &&
      ancestorRef.kind === 'Gateway' &&
      ancestorRef.name === name &&
      (ancestorRef.namespace ?? policy.metadata.namespace) === namespace,
  );
}

function checkCondition(seen: KubeObject, { kind = '', parent, ancestor, condition }: Step): string | undefined {
  if (condition === undefined) throw new Error('A step without condition');
  if (!isCurrent(seen)) return `not current: ${JSON.stringify(seen.status)}`;
  const conditions = kind.endsWith('Route')
    ? findParent(seen, parent ?? '')?.conditions
    : kind === 'BackendTLSPolicy'
      ? findAncestor(seen, ancestor ?? '')?.conditions
      : (seen.status as Any).conditions;
  return findMissing(conditions, condition);
}

function checkParents(
  seen: KubeObject | undefined,
  { parents = [], namespaceRequired = false }: Step,
): string | undefined {
  const named: readonly Any[] = (seen?.spec as Any)?.parentRefs ?? [];
  const own = parentsOf(seen).filter((one) => one.controllerName === controllerName);
  const isFor = (wanted: Any, actual: Any): boolean =>
    wanted.name === actual.name &&
    (wanted.kind ?? 'Gateway') === (actual.kind ?? 'Gateway') &&
    (wanted.group ?? gatewayGroup) === (actual.group ?? gatewayGroup) &&
    (wanted.namespace ?? seen?.metadata.namespace) === (actual.namespace ?? seen?.metadata.namespace);
  // Stricter than the suite, which allows entries that no parentRef of the route names.
  const surplus = own.filter(
    ({ parentRef }) =>
      !named.some(
        (one) => isFor(one, parentRef) && one.sectionName === parentRef.sectionName && one.port === parentRef.port,
      ),
  );
  if (surplus.length > 0) return `parents that the route does not name: ${JSON.stringify(surplus)}`;
  for (const { parentRef, conditions } of parents) {
    // Where the suite demands a namespace, the default is not enough.
    const found = own.find(
      (one) => isFor(parentRef, one.parentRef) && (!namespaceRequired || one.parentRef.namespace !== undefined),
    );
    const missing = conditions.flatMap((one) => findMissing(found?.conditions, one) ?? []);
    if (found === undefined || missing.length > 0) return `${missing.join('; ')} ${JSON.stringify(seen?.status)}`;
  }
  return undefined;
}

function checkListenerConditions(seen: KubeObject | undefined, step: Step): string | undefined {
  const { listeners: wanted = [], conditions = [] } = step;
  const listeners = ((seen?.status as Any)?.listeners ?? []) as readonly Any[];
  const names = wanted.includes('all') ? listeners.map(({ name }) => name as string) : (wanted as readonly string[]);
  for (const name of names) {
    const found = listeners.find((one) => one.name === name);
    const missing = conditions.flatMap((one) => findMissing(found?.conditions, one) ?? []);
    if (found === undefined || missing.length > 0) return `listener ${name}: ${missing.join('; ')}`;
  }
  return names.length > 0 ? undefined : 'no listeners';
}

function checkListeners(seen: KubeObject | undefined, wanted: readonly ListenerWords[]): string | undefined {
  const listeners = ((seen?.status as Any)?.listeners ?? []) as readonly Any[];
  const names = listeners.map(({ name }) => name as string).sort();
  if (
    names.join() !==
    wanted
      .map(({ name }) => name)
      .sort()
      .join()
  )
    return `listeners ${names.join()}`;
  for (const { name, supportedKinds, attachedRoutes, conditions } of wanted) {
    const found = listeners.find((one) => one.name === name);
    if (found.attachedRoutes !== attachedRoutes) return `${name}: ${found.attachedRoutes} attached routes`;
    const kinds = found.supportedKinds.map(({ kind }: Any) => kind) as readonly string[];
    const isGood =
      supportedKinds.length === 0 ? kinds.length === 0 : supportedKinds.every((kind) => kinds.includes(kind));
    if (!isGood) return `${name}: kinds ${kinds.join()}`;
    const missing = conditions.flatMap((one) => findMissing(found.conditions, one) ?? []);
    if (missing.length > 0) return `${name}: ${missing.join('; ')}`;
  }
  return undefined;
}
