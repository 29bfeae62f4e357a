export type { Principal } from '../../shared/lib/http/caller.js';
