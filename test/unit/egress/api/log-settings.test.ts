import assert from 'node:assert/strict';
import { defaultLog, findLogSettings } from '../../../../src/egress/api/log-settings.ts';

describe('findLogSettings', () => {
  const cases: readonly (readonly [name: string, configuration: unknown, want: object])[] = [
    ['both settings', { log_file: '/var/log/x', log_level: 'Error', ip: 5 }, { file: '/var/log/x', level: 'error' }],
    ['a wrong level', { log_file: '/var/log/x', log_level: 'loud' }, { file: '/var/log/x', level: 'debug' }],
    ['a wrong file', { log_file: '../x', log_level: 'panic' }, { file: '/tmp/egress-router-log', level: 'panic' }],
    ['wrong types', { log_file: {}, log_level: 5 }, defaultLog],
    ['no object', null, defaultLog],
  ];
  for (const [name, configuration, want] of cases) {
    it(`reads the settings of ${name}`, () => assert.deepEqual(findLogSettings(configuration), want));
  }
});
