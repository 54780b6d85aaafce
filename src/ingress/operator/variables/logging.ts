import { quoteGo } from '../go-text.ts';
import type { IngressControllerSpec } from '../spec.ts';
import type { Variables } from './model.ts';

type Access = NonNullable<NonNullable<IngressControllerSpec['logging']>['access']>;

const usualLength = 1024;
const usualCookieLength = 256;

/** Returns the variables of `spec.logging`. A container's log is the standard output of HAProxy's container. */
export function writeLoggingVariables(logging: IngressControllerSpec['logging']): Variables {
  const access = logging?.access;
  const destination = access && writeDestination(access.destination);
  if (access === undefined || destination === undefined) return {};
  const { httpLogFormat, httpCaptureHeaders, httpCaptureCookies = [], logEmptyRequests } = access;
  const [request, response] = [writeCaptures(httpCaptureHeaders?.request), writeCaptures(httpCaptureHeaders?.response)];
  return {
    ...destination,
    ROUTER_LOG_LEVEL: 'info',
    ...(httpLogFormat && { ROUTER_SYSLOG_FORMAT: quoteGo(httpLogFormat) }),
    ...(request !== '' && { ROUTER_CAPTURE_HTTP_REQUEST_HEADERS: request }),
    ...(response !== '' && { ROUTER_CAPTURE_HTTP_RESPONSE_HEADERS: response }),
    ...writeCookie(httpCaptureCookies[0]),
    ...(logEmptyRequests === 'Ignore' && { ROUTER_DONT_LOG_NULL: 'true' }),
  };
}

function writeDestination({ type, container, syslog }: Access['destination']): Variables | undefined {
  if (type === 'Container') {
    const length = container && (container.maxLength ?? usualLength);
    return {
      ROUTER_SYSLOG_ADDRESS: 'stdout',
      ...(length !== undefined && { ROUTER_LOG_MAX_LENGTH: `${length}` }),
    };
  }
  if (syslog === undefined) return undefined;
  const { address, port, facility, maxLength = usualLength } = syslog;
  return {
    ROUTER_SYSLOG_ADDRESS: address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
    ...(facility && { ROUTER_LOG_FACILITY: facility }),
    ROUTER_LOG_MAX_LENGTH: `${maxLength}`,
  };
}

function writeCaptures(captures: readonly { readonly name: string; readonly maxLength: number }[] = []): string {
  return captures.map(({ name, maxLength }) => `${name}:${maxLength}`).join(',');
}

function writeCookie(cookie: NonNullable<Access['httpCaptureCookies']>[number] | undefined): Variables {
  if (cookie === undefined) return {};
  const name = cookie.matchType === 'Exact' ? `${cookie.name ?? ''}=` : (cookie.namePrefix ?? '');
  return { ROUTER_CAPTURE_HTTP_COOKIE: `${name}:${cookie.maxLength || usualCookieLength}` };
}
