import { playEgress } from './egress.ts';
import { Stage } from './stage.ts';

const stage = new Stage();
await playEgress(stage);
process.exit(stage.finish());
