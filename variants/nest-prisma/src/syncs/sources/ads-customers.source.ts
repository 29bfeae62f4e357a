import { Injectable } from '@nestjs/common';
import { AdsService } from '../../google/ads/ads.service.js';
import type { Found, SyncSource } from './sync-source.js';

/** The customers of Google Ads that the account may act for. Google tells no more of them than their ids. */
@Injectable()
export class AdsCustomersSource implements SyncSource {
  readonly kind = 'ADS_CUSTOMER';

  constructor(private readonly ads: AdsService) {}

  async parents(): Promise<string[]> {
    return ['customers'];
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
