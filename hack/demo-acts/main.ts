import { playAddresses } from './addresses.ts';
import { playEgress } from './egress.ts';
import { playHttp } from './http.ts';
import { playIngress } from './ingress.ts';
import { Stage } from './stage.ts';
import { playStay } from './stay.ts';

const stage = new Stage();
await playEgress(stage);
await playIngress(stage);
await playHttp(stage);
await playAddresses(stage);
await playStay(stage);
process.exit(stage.finish());
