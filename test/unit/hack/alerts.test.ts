import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'mocha';
import { parse } from 'yaml';
import { ControllerMetrics } from '../../../src/egress/controller/metrics.ts';
import { NodeMetrics } from '../../../src/egress/node/metrics.ts';
import { HttpMetrics } from '../../../src/ingress/http/http-metrics.ts';
import { AgentMetrics } from '../../../src/ingress/status/metrics.ts';

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[];
}

/** The labels of every metric that a program exports, by name. */
function listMetrics(): ReadonlyMap<string, readonly string[]> {
  const agent = new AgentMetrics().registry;
  new HttpMetrics(agent, 0);
  const registries = [new ControllerMetrics(() => []).registry, new NodeMetrics(() => 0).registry, agent];
  return new Map(
    registries
      .flatMap((registry) => registry.getMetricsAsArray())
      .map((metric) => [metric.name, (metric as unknown as { labelNames: readonly string[] }).labelNames]),
  );
}

describe('manifests/monitoring/alerts.yaml', () => {
  const { groups } = parse(readFileSync('manifests/monitoring/alerts.yaml', 'utf8')) as Rules;
  for (const { alert, expr } of groups.flatMap(({ rules }) => rules)) {
    it(`${alert} uses metrics and labels that a program exports`, () => {
      const used = [...expr.matchAll(/\b((?:egress_router|haproxy)_\w+)(?:\{([^}]*)\})?/g)];
      assert.notEqual(used.length, 0);
      for (const [, name = '', labels = ''] of used) {
        const known = listMetrics().get(name);
        assert.ok(known, `no program exports ${name}`);
        for (const [, label = ''] of labels.matchAll(/(\w+)=/g)) assert.ok(known.includes(label), `${name}{${label}}`);
      }
    });
  }
});
