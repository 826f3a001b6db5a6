/** See faults.ts. */
import { describeFaults } from './faults.ts';

describeFaults(5);
