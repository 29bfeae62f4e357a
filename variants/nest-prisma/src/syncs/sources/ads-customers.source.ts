import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../../common/config/config.module.js';
import type { Config } from '../../config/config.js';
import { AdsService } from '../../google/ads/ads.service.js';
import type { Found, SyncSource } from './sync-source.js';

/** The customers of Google Ads that the account may act for. Google tells no more of them than their ids. */
@Injectable()
export class AdsCustomersSource implements SyncSource {
  readonly kind = 'ADS_CUSTOMER';

  constructor(
    private readonly ads: AdsService,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** None where the service may not call Google Ads: then there is nothing to find, and nothing to fail. */
  async parents(): Promise<string[]> {
    return this.config.GOOGLE_ADS_DEVELOPER_TOKEN === undefined ? [] : ['customers'];
  }

  async read(connectionId: string): Promise<Found[]> {
    const customers = await this.ads.listAccessibleCustomers(connectionId);
    return customers.map(({ resourceName, customerId }) => ({
      path: resourceName,
      name: customerId,
      publicId: customerId,
    }));
  }
}
