import { escapeQuery, quoteGo } from '../go-text.ts';
import type { IngressControllerSpec } from '../spec.ts';
import type { Variables } from './model.ts';

type Headers = NonNullable<IngressControllerSpec['httpHeaders']>;
type Actions = NonNullable<NonNullable<Headers['actions']>['request']>;

const policies = { Append: 'append', Replace: 'replace', IfNone: 'if-none', Never: 'never' } as const;

/** Default format of OpenShift's operator. */
const usualIdFormat = '%{+X}o %ci:%cp_%fi:%fp_%Ts_%rt:%pid';

/** Returns the variables of `spec.httpHeaders`. */
export function writeHeaderVariables(headers: IngressControllerSpec['httpHeaders']): Variables {
  const { forwardedHeaderPolicy, uniqueId, headerNameCaseAdjustments = [], actions } = headers ?? {};
  const [request, response] = [writeActions(actions?.request), writeActions(actions?.response)];
  return {
    ROUTER_SET_FORWARDED_HEADERS: policies[forwardedHeaderPolicy ?? 'Append'],
    ...(uniqueId?.name && {
      ROUTER_UNIQUE_ID_HEADER_NAME: uniqueId.name,
      ROUTER_UNIQUE_ID_FORMAT: quoteGo(uniqueId.format || usualIdFormat),
    }),
    ...(headerNameCaseAdjustments.length > 0 && { ROUTER_H1_CASE_ADJUST: headerNameCaseAdjustments.join(',') }),
    ...(request !== '' && { ROUTER_HTTP_REQUEST_HEADERS: request }),
    ...(response !== '' && { ROUTER_HTTP_RESPONSE_HEADERS: response }),
  };
}

function writeActions(actions: Actions = []): string {
  return actions
    .flatMap(({ name, action: { type, set } }) => {
      if (type === 'Delete') return [`${escapeQuery(name)}:Delete`];
      return set === undefined ? [] : [`${escapeQuery(name)}:${escapeQuery(set.value)}:Set`];
    })
    .join(',');
}
