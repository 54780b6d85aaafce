/**
 * Splits the output of `nft -s list table` into lines that can be compared: each rule with its chain, each map
 * element on its own. Elements are sorted, because the kernel lists them in no order.
 */
export function readListedTable(listed: string): string[] {
  const lines: string[] = [];
  const elements: string[] = [];
  let block = '';
  let open: string | undefined;
  for (const raw of listed.split('\n')) {
    const line = raw.trim();
    if (open !== undefined) {
      open += ` ${line}`;
    } else if (line.startsWith('elements = {')) {
      open = line;
    } else {
      const head = /^(map|set|chain) (\S+) \{$/.exec(line);
      if (head !== null) block = `${head[1]} ${head[2]}: `;
      else if (line === '}') block = '';
      else if (line !== '') lines.push(block + line);
    }
    if (open?.endsWith('}')) {
      for (const element of open.slice('elements = {'.length, -1).split(',')) elements.push(block + element.trim());
      open = undefined;
    }
  }
  return [...lines, ...elements.sort()];
}
