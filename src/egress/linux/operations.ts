import { addAddress, deleteAddress } from '../../base/linux/netlink/address.ts';
import {
  claimLink,
  createLink,
  deleteLink,
  setLinkAlias,
  setLinkMac,
  setLinkUp,
} from '../../base/linux/netlink/link.ts';
import type { NftTables } from '../../base/linux/netlink/nft-tables.ts';
import { addPolicyRule, deletePolicyRule } from '../../base/linux/netlink/policy-rule.ts';
import { addRoute, deleteRoute } from '../../base/linux/netlink/route.ts';
import type { NetlinkSocket } from '../../base/linux/netlink/socket.ts';
import { writeSysctl } from '../../base/linux/sysctl.ts';
import { formatPrefix } from '../../base/model/address.ts';
import { formatPolicyRule, formatRoute } from '../../base/model/format.ts';
import type { RuleBackend } from '../../base/rules/transaction.ts';
import type { Operation } from '../model/operation.ts';
import { closeLink } from './close-link.ts';
import { forgetMarked, forgetRedirected, forgetUntranslated } from './connections.ts';
import { installGuard, removeGuard } from './guard.ts';
import type { StateStore } from './kernel-api.ts';
import type { LinkDirectory } from './link-directory.ts';
import { changeRules, removeRules } from './rule-listing.ts';

/** Dependencies of operations. */
export interface OperationContext {
  readonly node: NetlinkSocket;
  readonly pod: NetlinkSocket;
  readonly links: LinkDirectory;
  readonly tables: NftTables;
  readonly netnsFd: number;
  readonly backend: RuleBackend;
  readonly store: StateStore;
}

/**
 * Executes one operation in the pod's namespace. Returns the parts that this kernel does not support, one sentence
 * each. Throws errors of the kernel, a tool or the file system.
 */
export function applyOperation(operation: Operation, context: OperationContext): readonly string[] {
  if (operation.do === 'guard-link') {
    return installGuard(context.tables, operation.guard, context.links.find(operation.guard.link).mac);
  }
  change(operation, context);
  return [];
}

function change(operation: Exclude<Operation, { do: 'guard-link' }>, context: OperationContext): void {
  const { pod, links } = context;
  switch (operation.do) {
    case 'change-rules':
      changeRules(context.backend, operation.from, operation.to, operation.unsure, context.tables);
      break;
    case 'remove-rules':
      removeRules(operation, context.tables);
      break;
    case 'create-link':
      links.forget();
      createLink(context.node, { ...operation, netnsFd: context.netnsFd });
      break;
    case 'claim-link': {
      claimLink(pod, links.indexOf(operation.link), operation.alias, operation.name);
      links.forget();
      break;
    }
    case 'set-link-alias':
      setLinkAlias(pod, links.indexOf(operation.link), operation.alias);
      break;
    case 'remove-guard':
      removeGuard(context.tables, operation.link, operation.owner);
      break;
    case 'set-link-up':
    case 'set-link-down':
      setLinkUp(pod, links.indexOf(operation.link), operation.do === 'set-link-up');
      break;
    case 'close-link':
      closeLink(pod, operation.link, links.indexOf(operation.link), operation.addresses);
      break;
    case 'delete-link': {
      const index = links.indexOf(operation.link);
      links.forget();
      deleteLink(pod, index);
      break;
    }
    case 'add-address':
      addAddress(pod, links.indexOf(operation.link), operation.prefix);
      break;
    case 'delete-address':
      deleteAddress(pod, links.indexOf(operation.link), operation.prefix);
      break;
    case 'add-route':
      addRoute(pod, operation.route, links);
      break;
    case 'delete-route':
      deleteRoute(pod, operation.route, links);
      break;
    case 'add-policy-rule':
      addPolicyRule(pod, operation.rule);
      break;
    case 'delete-policy-rule':
      deletePolicyRule(pod, operation.rule);
      break;
    case 'set-sysctl':
      writeSysctl(operation.key, operation.value);
      break;
    case 'forget-untranslated':
      forgetUntranslated(pod, operation);
      break;
    case 'forget-redirected':
      forgetRedirected(operation);
      break;
    case 'forget-marked':
      forgetMarked(operation);
      break;
    case 'announce': {
      const link = links.find(operation.link);
      setLinkMac(pod, link.index, link.mac);
      break;
    }
    case 'save-state':
      context.store.save(operation.state);
      break;
    case 'remove-state':
      context.store.remove(operation.id);
      break;
  }
}

/** Describes an operation, to follow "Cannot". */
export function describeOperation(operation: Operation): string {
  switch (operation.do) {
    case 'change-rules':
      return 'install the rules';
    case 'remove-rules':
      return `remove the rules of ${operation.name}`;
    case 'create-link':
      return `create ${operation.kind.type} ${operation.becomes} (mode ${operation.kind.mode}, MTU ${operation.mtu})`;
    case 'claim-link':
      return `rename the new link to ${operation.name}`;
    case 'set-link-alias':
      return `set the alias of ${operation.link}`;
    case 'guard-link':
      return `install the guard of ${operation.guard.link}`;
    case 'remove-guard':
      return `remove the guard of ${operation.link}`;
    case 'set-link-up':
    case 'set-link-down':
      return `set ${operation.link} ${operation.do === 'set-link-up' ? 'up' : 'down'}`;
    case 'close-link':
      return `close ${operation.link}`;
    case 'delete-link':
      return `delete ${operation.link}`;
    case 'add-address':
      return `add address ${formatPrefix(operation.prefix)} to ${operation.link}`;
    case 'delete-address':
      return `delete address ${formatPrefix(operation.prefix)} from ${operation.link}`;
    case 'add-route':
      return `add route ${formatRoute(operation.route)}`;
    case 'delete-route':
      return `delete route ${formatRoute(operation.route)}`;
    case 'add-policy-rule':
      return `add policy rule ${formatPolicyRule(operation.rule)}`;
    case 'delete-policy-rule':
      return `delete policy rule ${formatPolicyRule(operation.rule)}`;
    case 'set-sysctl':
      return `set ${operation.key} to ${operation.value}`;
    case 'forget-untranslated':
    case 'forget-redirected':
    case 'forget-marked':
      return 'delete tracked connections';
    case 'announce':
      return `announce the addresses of ${operation.link}`;
    case 'save-state':
      return 'save the state of the attachment';
    case 'remove-state':
      return 'remove the state of the attachment';
  }
}
