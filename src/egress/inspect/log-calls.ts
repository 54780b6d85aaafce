/** Start of each line of the plugin's log. */
const line = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \[\w+\] (.*)$/;

/** First lines of calls: CNI verbs, and live changes of the node daemon. */
const firstLine = /^(?:Called CNI \w+|Changing the redirects of a running egress router)$/;

/**
 * Selects the calls of one router from the plugin's log. The format is OpenShift's and names no container, so a call
 * belongs to a router if one of its lines contains a reserved address of the router. Lines of calls that ran at the
 * same time can be mixed. Messages of several lines stay with their first line.
 *
 * @param addresses the router's reserved addresses
 */
export function selectCalls(log: string, addresses: readonly string[]): string[] {
  const calls: string[][] = [];
  for (const text of log.split('\n')) {
    if (text === '') continue;
    const words = line.exec(text)?.[1];
    const last = calls.at(-1);
    if (last === undefined || (words !== undefined && firstLine.test(words))) calls.push([text]);
    else last.push(text);
  }
  const owns = addresses.map((address) => new RegExp(`(?<![\\w.:])${escapeForRegExp(address)}(?![\\w:]|\\.\\d)`));
  return calls.filter((call) => call.some((text) => owns.some((own) => own.test(text)))).flat();
}

function escapeForRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
