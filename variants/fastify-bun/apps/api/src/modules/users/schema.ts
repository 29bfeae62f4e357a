export { UpdateUser, User } from '@app/shared';
