<?php

namespace Acme\Shop\Exception;

use RuntimeException;

class NotFound extends RuntimeException
{
}
