"""A repair shop: work orders, tickets and notifications, sent to browsers over Socket.IO."""
