"""A repair shop: work orders, tickets and notifications, told to browsers over Socket.IO."""
