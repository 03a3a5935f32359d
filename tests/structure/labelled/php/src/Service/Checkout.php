<?php

namespace Acme\Shop\Service;

use Acme\Shop\Cart;
use Acme\Shop\Exception\{Exception, NotFound};
use Acme\Shop\Plugin\Coupon;
use Acme\Shop\Plugin\Gone;
use Psr\Log;

class Checkout
{
    public function __construct(private Log\LoggerInterface $log, private ?Mailer $mailer = null)
    {
    }

    public function pay(Cart $cart): bool
    {
        try {
            return Coupon::apply($cart) instanceof \Acme\Money\Amount;
        } catch (NotFound | Exception $e) {
            $this->log->error($e->getMessage());
        } catch (Gone) {
        }

        return str_contains('paid', 'x');
    }
}
