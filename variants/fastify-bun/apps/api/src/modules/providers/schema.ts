import { id } from '@app/shared';
import { z } from 'zod';

export {
  CreateProviderKey,
  ProviderKey,
  ProviderTest,
  RotateProviderKey,
  TestProviderKey,
  UpdateProviderKey,
} from '@app/shared';

export const ProviderKeyParams = z.object({ id });
