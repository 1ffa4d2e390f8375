from channelgate import Call, Refused, action
from orders.models import Order


@action("cancel", atomic=True)
def cancel(call: Call) -> dict:
    order = Order.objects.filter(pk=call.data["order"], owner_id=call.user["id"]).first()
    if order is None:
        raise Refused(409, "Not your order")
    order.status = "cancelled"
    order.save()
    return {"order": order.pk, "status": order.status}
